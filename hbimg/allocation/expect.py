"""What the performance model expects of a layout: rounds and wall-clock time of a job over all volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hbimg.allocation.layout import Server
from hbimg.allocation.planner import Shares
from hbimg.errors import ConfigError
from hbimg.perfmodel.distributions import constant
from hbimg.perfmodel.parameters import Allocation, Cluster, Machine, Scenario, Workload
from hbimg.perfmodel.predict import predict
from hbimg.perfmodel.presets import DISK_READ, DISK_WRITE, T1_INPUT, T1_OUTPUT
from hbimg.perfmodel.units import require_not_negative

#: The paper's compression of T1 images.
OUTPUT_RATIO = T1_OUTPUT / T1_INPUT
#: Only maps that read elsewhere would use the network, and a layout is judged without them.
_NETWORK_BYTES_PER_S = 125e6


@dataclass(frozen=True)
class JobShape:
    """A job over all volumes: `time_s` of processing for each on a core of factor 1, and bytes out per byte in."""

    volumes: int
    input_bytes: float
    time_s: float = 30.0
    output_ratio: float = OUTPUT_RATIO

    def __post_init__(self) -> None:
        for what in ("time_s", "output_ratio"):
            require_not_negative(what, getattr(self, what))


@dataclass(frozen=True)
class Expected:
    """Equations 3 and 4 of the paper for a layout: the server with most work for its cores decides."""

    rounds: int
    wall_clock_s: float


def machines_of(servers: Sequence[Server], described: Sequence[Machine] = ()) -> tuple[Machine, ...]:
    """Give the model's machines for servers; those not described get the disks of the paper's machines."""
    known = {machine.name: machine for machine in described}
    return tuple(known.get(s.name) or Machine(s.name, s.cores, DISK_READ, DISK_WRITE, speed=s.factor) for s in servers)


def expect(shares: Shares, machines: Sequence[Machine], job: JobShape) -> Expected:
    """Give rounds and wall-clock time when every volume is worked on where it lies.

    Raises
    ------
    ConfigError
        If there is no work at all: neither bytes nor time.
    """
    if job.time_s == 0 and job.input_bytes == 0:
        raise ConfigError("a job without bytes and without time: give a time")
    size = job.input_bytes / job.volumes
    workload = Workload(
        job.volumes, constant(size), constant(size * job.output_ratio), processing_s=constant(job.time_s)
    )
    cluster = Cluster(tuple(machines), _NETWORK_BYTES_PER_S)
    allocation = Allocation(shares.work, network_share=0.0)
    found = predict(Scenario("layout", cluster, workload, allocation)).hbimg
    return Expected(found.rounds, found.wall_clock_local_s)
