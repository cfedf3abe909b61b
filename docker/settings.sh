# Sourced by cluster and wait-ready: the settings of docker/.env, read and checked.
# shellcheck shell=bash
DOCKER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(dirname "$DOCKER_DIR")

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

load_settings() { # the environment wins over .env, as it does for compose
  local line name
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^([A-Z_]+)=(.*)$ ]] || continue
    name=${BASH_REMATCH[1]}
    [ -n "${!name+set}" ] || printf -v "$name" '%s' "${BASH_REMATCH[2]}"
    export "${name?}"
  done <"$DOCKER_DIR/.env"
}

check_settings() {
  [[ $HBIMG_CLUSTER_WORKERS =~ ^[1-9][0-9]?$ ]] || die "HBIMG_CLUSTER_WORKERS is '$HBIMG_CLUSTER_WORKERS': give a number from 1 to 99"
  [[ $HBIMG_CLUSTER_REPLICATION =~ ^[1-9][0-9]?$ && $HBIMG_CLUSTER_REPLICATION -le $HBIMG_CLUSTER_WORKERS ]] ||
    die "HBIMG_CLUSTER_REPLICATION is '$HBIMG_CLUSTER_REPLICATION': give 1 up to the number of workers, $HBIMG_CLUSTER_WORKERS"
  [[ $HBIMG_CLUSTER_RACKS =~ ^[a-z0-9-]+(,[a-z0-9-]+)*$ ]] ||
    die "HBIMG_CLUSTER_RACKS is '$HBIMG_CLUSTER_RACKS': give names of a-z, 0-9 and -, separated by commas, like rack1,rack2"
  local cpus engine_cpus list
  engine_cpus=$(docker info -f '{{.NCPU}}')
  [[ -z $HBIMG_CLUSTER_CPUS_BY_WORKER || $(tr -cd , <<<"$HBIMG_CLUSTER_CPUS_BY_WORKER" | wc -c) -eq $((HBIMG_CLUSTER_WORKERS - 1)) ]] ||
    die "HBIMG_CLUSTER_CPUS_BY_WORKER is '$HBIMG_CLUSTER_CPUS_BY_WORKER': give one number for each of the $HBIMG_CLUSTER_WORKERS workers"
  IFS=, read -ra list <<<"$HBIMG_CLUSTER_WORKER_CPUS${HBIMG_CLUSTER_CPUS_BY_WORKER:+,$HBIMG_CLUSTER_CPUS_BY_WORKER}"
  for cpus in "${list[@]}"; do
    [[ $cpus =~ ^[0-9]+(\.[0-9]+)?$ ]] && awk -v c="$cpus" -v n="$engine_cpus" 'BEGIN {exit !(c >= 0.01 && c <= n)}' ||
      die "a worker cannot have '$cpus' CPUs: give a number from 0.01 to $engine_cpus, what the engine has (docker/.env)"
  done
}

need_engine() {
  command -v docker >/dev/null || die "docker is missing: install an engine (Debian: apt-get install docker.io docker-compose)"
  docker info >/dev/null 2>&1 || die "the docker engine does not answer: start it (systemctl start docker), or ask to be let into its group"
}

node_names() { # what must run, one name per line
  printf '%s\n' head client
  seq -f 'worker%.0f' "$HBIMG_CLUSTER_WORKERS"
}

state_of() { # STATUS EXIT-CODE, or missing
  local state
  state=$(docker container inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1" 2>/dev/null) || state=missing
  echo "$state"
}
