"""Daemons of a worker that end alone: in the mini-cluster a worker's container ends as soon as one of its daemons does.

So what watches over them is stopped meanwhile, and a daemon is started again by the command that it was started by.
"""

from __future__ import annotations

import time

from broken_cluster import docker, wait_until_all_is_well

WATCH = 'pgrep -f "^/bin/bash .*bin/node worker"'
NOTE = """
for pid in $(pgrep -f "[D]proc="); do
  name=$(tr '\\0' '\\n' </proc/$pid/cmdline | sed -n 's/^-Dproc=//p')
  cp /proc/$pid/cmdline /run/hbimg/$name.cmdline && cp /proc/$pid/environ /run/hbimg/$name.environ && echo $name
done
"""
REVIVE = """
import os
def lines(part):
    return [word for word in open("/run/hbimg/{name}." + part, "rb").read().split(b"\\0") if word]
settings = dict(setting.split(b"=", 1) for setting in lines("environ"))
log = os.open(settings[b"LOGS"] + b"/{name}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.dup2(log, 1), os.dup2(log, 2)
words = lines("cmdline")
os.execvpe(words[0], words, settings)
"""


class LoneDaemons:
    """The daemons of one worker, each to be killed for itself."""

    def __init__(self, worker):
        self.worker = worker
        self._names = self._bash(f"{NOTE} kill -STOP $({WATCH})").split()
        assert {"datanode", "nodemanager", "regionserver", "thrift"} <= set(self._names), self._names

    def _bash(self, program):
        return docker("exec", self.worker, "bash", "-c", program).stdout

    def kill(self, name):
        """As a crash does, without a word to anyone."""
        self._bash(f'pkill -9 -f "[D]proc={name} "')

    def is_running(self, name):
        return bool(self._bash(f'pgrep -f "[D]proc={name} " || true').strip())

    def wait_for_end(self, name, limit_s):
        """Wait until one has ended by itself."""
        end = time.monotonic() + limit_s
        while self.is_running(name):
            assert time.monotonic() < end, f"{name} still runs"
            time.sleep(0.5)

    def revive(self, name):
        """Start one again."""
        docker("exec", "-d", self.worker, "python3.11", "-c", REVIVE.replace("{name}", name))

    def revive_all(self):
        """Start again all that have ended, and wait until the cluster is well."""
        for name in self._names:
            if not self.is_running(name):
                self.revive(name)
        wait_until_all_is_well()

    def heal(self):
        """Start the container anew, with what watches over it; the RegionServer may say goodbye first."""
        self._bash('pkill -f "[D]proc=regionserver "')
        self.wait_for_end("regionserver", 30)
        docker("restart", "-t", "1", self.worker)
        wait_until_all_is_well()
