"""What the model is told: frozen descriptions of a cluster, a workload, an allocation and a way of scheduling.

Owns the ranges of all parameters: an object that exists is valid. Sizes are bytes, speeds bytes per second, times
seconds. Where each number of a preset comes from is told in `presets`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from hbimg.errors import ParameterError
from hbimg.perfmodel.distributions import Distribution, constant
from hbimg.perfmodel.units import require_not_negative, require_positive, require_share

if TYPE_CHECKING:
    from collections.abc import Sequence

Stealing = Literal["never", "always", "when-faster"]

#: Beyond these a description is a slip of the pen, and would only fill the memory.
MOST_CORES, MOST_MACHINES, MOST_JOBS = 1_000_000, 100_000, 1_000_000_000
#: A machine is at most so many times faster or slower than another, a straggler so many times slower.
MOST_FACTOR = 1e6
#: A spread of the logarithm beyond this leaves the network to one transfer at a time.
MOST_UNEVENNESS = 10.0

#: How unevenly a link that serves in order of arrival shares itself: fitted to our own measurement (the preset
#: `nfs-testbed`), where it gives both the resource times and the spread of the transfers' lengths.
MEASURED_UNEVENNESS = 0.3


@dataclass(frozen=True)
class Machine:
    """One machine: `cores` processor cores, a disk, an optional page cache and its place in the network.

    `speed` is relative: a job of T seconds takes T / speed here. `memory_bytes` 0 means that memory does not limit the
    slots; `network_bytes_per_s` 0 means that the machine's own interface is not the limit.
    """

    name: str
    cores: int
    disk_read_bytes_per_s: float
    disk_write_bytes_per_s: float
    speed: float = 1.0
    memory_bytes: float = 0.0
    page_cache_bytes: float = 0.0
    network_bytes_per_s: float = 0.0
    rack: str = "rack-1"

    def __post_init__(self) -> None:
        if not self.name:
            raise ParameterError("a machine has no name: give each machine a name")
        if not 1 <= self.cores <= MOST_CORES:
            raise ParameterError(
                f"machine {self.name}: cores = {self.cores}: a machine needs at least 1 core, and at most {MOST_CORES}"
            )
        for what in ("disk_read_bytes_per_s", "disk_write_bytes_per_s", "speed"):
            require_positive(f"machine {self.name}: {what}", getattr(self, what))
        if not 1 / MOST_FACTOR <= self.speed <= MOST_FACTOR:
            raise ParameterError(
                f"machine {self.name}: speed = {self.speed:g}: must be from {1 / MOST_FACTOR:g} to {MOST_FACTOR:g}"
            )
        for what in ("memory_bytes", "page_cache_bytes", "network_bytes_per_s"):
            require_not_negative(f"machine {self.name}: {what}", getattr(self, what))


@dataclass(frozen=True)
class Cluster:
    """Machines on a network whose storage link carries `bandwidth_bytes_per_s` (both directions together, as measured).

    `grid_slots` 0 means as many as there are cores. `shared_disk` tells the simulator that the tasks of a machine share
    its disk; the equations give each task the disk to itself. `host_io` is the paper's data flow: a map's input and
    output also pass a temporary place on the host's disk. `warm_cache` means the data was read before, so what fits in
    a machine's page cache is not read from its disk. `rack_bandwidth_bytes_per_s` 0 means one network for all.
    """

    machines: tuple[Machine, ...]
    bandwidth_bytes_per_s: float
    grid_slots: int = 0
    rack_bandwidth_bytes_per_s: float = 0.0
    shared_disk: bool = True
    host_io: bool = True
    warm_cache: bool = False

    def __post_init__(self) -> None:
        if not self.machines:
            raise ParameterError("cluster: no machines: describe at least one")
        names = [machine.name for machine in self.machines]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ParameterError(f"cluster: two machines are called {twice[0]}: names must differ")
        require_positive("cluster: bandwidth_bytes_per_s", self.bandwidth_bytes_per_s)
        require_not_negative("cluster: rack_bandwidth_bytes_per_s", self.rack_bandwidth_bytes_per_s)
        if not 0 <= self.grid_slots <= self.core:
            raise ParameterError(
                f"cluster: grid_slots = {self.grid_slots}: must be 0 (all cores) or up to the {self.core} cores"
            )

    @property
    def core(self) -> int:
        """Sum of the machines' cores."""
        return sum(machine.cores for machine in self.machines)

    @property
    def grid_core(self) -> int:
        """The paper's #core for the grid engine: its slots."""
        return self.grid_slots or self.core

    @property
    def storage_bytes_per_s(self) -> float:
        """The paper's B: the storage link, or what the machines' interfaces take together when that is less."""
        interfaces = [m.network_bytes_per_s or math.inf for m in self.machines]
        return min(self.bandwidth_bytes_per_s, sum(interfaces))

    @property
    def stream_bytes_per_s(self) -> float:
        """The most that one transfer can get: the slowest machine's interface, or all of B."""
        return min(m.network_bytes_per_s or self.storage_bytes_per_s for m in self.machines)


@dataclass(frozen=True)
class Workload:
    """`jobs` independent jobs; bytes in and out and processing time per job are distributions.

    `pad_to_s` pads each whole job (transfers included) by sleep to that length, as `--pad-to` does. Jobs become
    available one every `release_interval_s` (0: all at once), the first after one interval.
    """

    jobs: int
    input_bytes: Distribution
    output_bytes: Distribution
    processing_s: Distribution = field(default_factory=lambda: constant(0.0))
    pad_to_s: float = 0.0
    memory_per_job_bytes: float = 0.0
    release_interval_s: float = 0.0

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ParameterError(f"workload: jobs = {self.jobs}: at least one job is needed")
        if self.jobs > MOST_JOBS:
            raise ParameterError(f"workload: jobs is too large a number: at most {MOST_JOBS} jobs")
        for what in ("pad_to_s", "memory_per_job_bytes", "release_interval_s"):
            require_not_negative(f"workload: {what}", getattr(self, what))

    @property
    def bytes_per_job(self) -> float:
        """Mean of input and output together, the paper's data_in + data_out."""
        return self.input_bytes.mean() + self.output_bytes.mean()

    def with_time(self, processing_s: float) -> Workload:
        """The same workload with every job processing for `processing_s` seconds."""
        return replace(self, processing_s=constant(processing_s))

    def with_size(self, bytes_per_job: float) -> Workload:
        """The same workload with input and output scaled so that they add up to `bytes_per_job` on average."""
        require_positive("the size of a job", bytes_per_job)
        require_positive("workload: the mean input and output of a job", self.bytes_per_job)
        factor = bytes_per_job / self.bytes_per_job
        return replace(self, input_bytes=self.input_bytes.scaled(factor), output_bytes=self.output_bytes.scaled(factor))


@dataclass(frozen=True)
class Allocation:
    """Where the table's data lies: `regions` holds one weight per machine, in the cluster's order.

    A weight is the machine's number of regions, or the bytes it holds in a planned layout. `network_share` is the
    paper's gamma: the share of maps that read over the network although their data was placed.
    """

    regions: tuple[float, ...]
    network_share: float = 0.05

    def __post_init__(self) -> None:
        for weight in self.regions:
            require_not_negative("allocation: the regions of a machine", weight)
        require_positive("allocation: the sum of all machines' regions", sum(self.regions))
        require_share("allocation: network_share", self.network_share)


@dataclass(frozen=True)
class Scheduling:
    """What the simulator knows beyond the equations; the defaults are the equations' ideal world.

    A dispatch gap passes before every job on a slot. `share_unevenness` is the standard deviation of the logarithm of a
    transfer's share of the network (0: all get the same). An idle machine takes maps placed elsewhere as `stealing`
    says, after having waited `locality_delay_s`. A straggler takes `straggler_factor` times as long. An attempt fails
    with `failure_probability` somewhere in its processing and is run again; a machine of `machine_failures` (name, time
    in s) is lost for good, which is noticed `failure_detection_s` later. `grid_throttle` is the most grid jobs that run
    at once (0: no limit).
    """

    grid_dispatch_gap_s: float = 0.0
    map_dispatch_gap_s: float = 0.0
    share_unevenness: float = 0.0
    stealing: Stealing = "never"
    locality_delay_s: float = 0.0
    straggler_probability: float = 0.0
    straggler_factor: float = 1.0
    failure_probability: float = 0.0
    failure_detection_s: float = 0.0
    machine_failures: tuple[tuple[str, float], ...] = ()
    grid_throttle: int = 0

    def __post_init__(self) -> None:
        times = ("grid_dispatch_gap_s", "map_dispatch_gap_s", "locality_delay_s", "failure_detection_s")
        for what in (*times, "share_unevenness"):
            require_not_negative(f"scheduling: {what}", getattr(self, what))
        require_share("scheduling: straggler_probability", self.straggler_probability)
        require_positive("scheduling: straggler_factor", self.straggler_factor)
        for what, most in (("straggler_factor", MOST_FACTOR), ("share_unevenness", MOST_UNEVENNESS)):
            if getattr(self, what) > most:
                raise ParameterError(f"scheduling: {what} = {getattr(self, what):g}: at most {most:g}")
        require_share("scheduling: failure_probability", self.failure_probability)
        if self.failure_probability > MOST_FAILURES:
            raise ParameterError(
                f"scheduling: failure_probability = {self.failure_probability}: at most {MOST_FAILURES}"
            )
        if self.stealing not in ("never", "always", "when-faster"):
            raise ParameterError(f"scheduling: stealing = {self.stealing!r}: use never, always or when-faster")
        if self.grid_throttle < 0:
            raise ParameterError(f"scheduling: grid_throttle = {self.grid_throttle}: must be 0 (no limit) or more")
        for name, at_s in self.machine_failures:
            require_not_negative(f"scheduling: the failure time of machine {name}", at_s)


#: Above this share of failing attempts a run would hardly ever end.
MOST_FAILURES = 0.9


@dataclass(frozen=True)
class Scenario:
    """All that a prediction needs: cluster, workload, allocation and scheduling, checked against one another."""

    name: str
    cluster: Cluster
    workload: Workload
    allocation: Allocation
    scheduling: Scheduling = field(default_factory=Scheduling)

    def __post_init__(self) -> None:
        if len(self.allocation.regions) != len(self.cluster.machines):
            raise ParameterError(
                f"{self.name}: the allocation has {len(self.allocation.regions)} entries for"
                f" {len(self.cluster.machines)} machines: give one for each"
            )
        self.slots()
        known = {machine.name for machine in self.cluster.machines}
        for name, _ in self.scheduling.machine_failures:
            if name not in known:
                raise ParameterError(f"{self.name}: machine_failures names {name}, which is no machine of the cluster")

    def slots(self) -> tuple[int, ...]:
        """How many jobs fit on each machine at once: its cores, or less when memory is short."""
        counts = [slots_of(machine, self.workload.memory_per_job_bytes) for machine in self.cluster.machines]
        for machine, count in zip(self.cluster.machines, counts, strict=True):
            if count < 1:
                raise ParameterError(
                    f"{self.name}: one job's memory of {self.workload.memory_per_job_bytes:.0f} bytes does not fit"
                    f" on machine {machine.name} with {machine.memory_bytes:.0f} bytes: leave it out or lower the need"
                )
        return tuple(counts)

    @property
    def grid_core(self) -> int:
        """Slots of the grid engine: as told, else every slot that memory allows."""
        return min(self.cluster.grid_core, sum(self.slots())) if self.cluster.grid_slots else sum(self.slots())

    def with_time(self, processing_s: float) -> Scenario:
        """The same with every job processing for `processing_s` seconds."""
        return replace(self, workload=self.workload.with_time(processing_s))

    def with_size(self, bytes_per_job: float) -> Scenario:
        """The same with the jobs' sizes scaled to a mean of `bytes_per_job` (input and output together)."""
        return replace(self, workload=self.workload.with_size(bytes_per_job))


def slots_of(machine: Machine, memory_per_job_bytes: float) -> int:
    """Jobs that run at once on `machine` when each needs `memory_per_job_bytes`."""
    if machine.memory_bytes and memory_per_job_bytes:
        return min(machine.cores, int(machine.memory_bytes // memory_per_job_bytes))
    return machine.cores


def balanced(machines: Sequence[Machine], network_share: float = 0.05) -> Allocation:
    """Data in proportion to each machine's cores times speed, which is what `hbimg layout` plans for."""
    return Allocation(tuple(m.cores * m.speed for m in machines), network_share)
