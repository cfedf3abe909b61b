"""The clusters of the papers as scenarios, what the papers say about them, and how we read what contradicts itself.

Owns the published numbers. Sources: Bao et al. 2017 (PMC5521265), sections 2.3, 3 and 4 with Table 2; Orellana et al.,
"Running Medical Image Analysis on GridFactory Desktop Grid", sections 2 and 3 with Table 1. `nfs-testbed` is this
project's own measurement of a grid engine over NFS on a shaped link (docs/model.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hbimg.errors import ConfigError
from hbimg.perfmodel.distributions import constant
from hbimg.perfmodel.parameters import (
    MEASURED_UNEVENNESS,
    Allocation,
    Cluster,
    Machine,
    Scenario,
    Scheduling,
    Workload,
)
from hbimg.perfmodel.units import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Callable

#: Section 2.3. The paper writes Mb and GB; only MB with 1 GB = 1024 MB gives its own release points (see READINGS).
BANDWIDTH = 70 * MIB
DISK_READ, DISK_WRITE = 100 * MIB, 65 * MIB
T1_JOBS = 3310
T1_INPUT, T1_OUTPUT = 70.7 * GIB / T1_JOBS, 21.5 * GIB / T1_JOBS
#: Section 2.1: about 5% of maps were rack-local on a balanced cluster; section 3: almost 30% on the 209 cores.
GAMMA_BALANCED, GAMMA_209 = 0.05, 0.30
#: GridFactory, section 3: the same analysis in a remote cluster took 537 min. If its link is what held it up (the paper
#: blames the size of the input), all bytes pass it in that time but the first package's 4 min and the last job's 42.
REMOTE_MIN = 537.0
REMOTE_LINK = 50 * (400e6 + 1e6) / ((REMOTE_MIN - 4.0 - 42.0) * 60)


@dataclass(frozen=True)
class Reading:
    """A place where a paper contradicts itself or is silent: what is taken, why, and the number the other way."""

    about: str
    taken: str
    taken_value: float
    other: str
    other_value: float
    unit: str


def _machines(*kinds: tuple[int, int]) -> tuple[Machine, ...]:
    """Machines of the paper's disks from (count, cores) pairs, numbered through."""
    cores = [each for count, each in kinds for _ in range(count)]
    return tuple(Machine(f"node-{i}", c, DISK_READ, DISK_WRITE) for i, c in enumerate(cores, start=1))


def _bao(name: str, cluster: Cluster, allocation: Allocation, scheduling: Scheduling) -> Scenario:
    t1_images = Workload(T1_JOBS, constant(T1_INPUT), constant(T1_OUTPUT), constant(30.0))
    return Scenario(name, cluster, t1_images, allocation, scheduling)


def _paper_cluster(machines: tuple[Machine, ...], grid_slots: int = 0) -> Cluster:
    # The paper gives each map the disk to itself; 70.7 GB over its machines lay in their page caches.
    return Cluster(machines, BANDWIDTH, grid_slots=grid_slots, shared_disk=False)


def bao2017_72() -> Scenario:
    """72 cores on 6 machines; 11 regions: 5 machines with 2, one with 1 (Table 2)."""
    name = "bao2017-72"
    allocation = Allocation((2.0,) * 5 + (1.0,), GAMMA_BALANCED)
    return _bao(name, _paper_cluster(_machines((6, 12))), allocation, _PAPER_SCHEDULING)


def bao2017_132() -> Scenario:
    """132 cores on 11 machines; 34 regions: 10 machines with 3, one with 4 (Table 2)."""
    name = "bao2017-132"
    allocation = Allocation((3.0,) * 10 + (4.0,), GAMMA_BALANCED)
    return _bao(name, _paper_cluster(_machines((11, 12))), allocation, _PAPER_SCHEDULING)


def bao2017_209() -> Scenario:
    """209 cores of 21 unlike machines; 43 regions: 2 each, and 3 on one machine of 32 cores (Table 2).

    Table 2's machines have 221 cores; the grid is given the 209 slots that the paper's NSRP was computed with. Here
    waiting maps were sent to idle cores (section 3), so the simulator steals; the equations take gamma as measured.
    """
    name = "bao2017-209"
    cluster = _paper_cluster(_machines((3, 32), (10, 3), (7, 12), (1, 11)), grid_slots=209)
    scheduling = Scheduling(share_unevenness=MEASURED_UNEVENNESS, stealing="always")
    return _bao(name, cluster, Allocation((3.0,) + (2.0,) * 20, GAMMA_209), scheduling)


def bao2017_figure4() -> Scenario:
    """The assumed cluster of Figure 4 (A, B): 20 machines, 300 cores, 5,000 jobs, balanced; 500 MB for 1,000 s."""
    name = "bao2017-figure4"
    output_share = T1_OUTPUT / (T1_INPUT + T1_OUTPUT)
    size = 500 * MIB
    workload = Workload(5000, constant(size * (1 - output_share)), constant(size * output_share), constant(1000.0))
    cluster = _paper_cluster(_machines((20, 15)))
    return Scenario(name, cluster, workload, Allocation((1.0,) * 20, GAMMA_BALANCED), _PAPER_SCHEDULING)


def gridfactory() -> Scenario:
    """20 PCs, 50 packages of 1,000 images; GridFactory with QEMU: 49 min a job, packages made in 200 min, one PC lost.

    Speeds are not in the paper: 100 Mbit/s (11 MB/s of payload) and a disk of 40 MB/s are assumed for hospital PCs of
    that age; the job time includes their effect, so they hardly matter. Which PC failed, and when, is in a figure
    that is lost: taken is the PC with the last package, half way through it.
    """
    return _gridfactory("gridfactory", 49.0, lost_pc=True)


def gridfactory_condor() -> Scenario:
    """The same PCs and packages under Condor with VMware: 42 min a job and no failure."""
    return _gridfactory("gridfactory-condor", 42.0, lost_pc=False)


def _gridfactory(name: str, job_min: float, *, lost_pc: bool) -> Scenario:
    disk, job_s, release_s, jobs = 40e6, job_min * 60, 200 * 60 / 50, 50
    machines = tuple(Machine(f"pc-{i}", 1, disk, disk) for i in range(1, 21))
    # Jobs are taken in order by the PC that has been idle longest: the last package runs on PC number 50 - 2 * 20.
    failures = (("pc-10", release_s * jobs + job_s / 2),) if lost_pc else ()
    workload = Workload(jobs, constant(400e6), constant(1e6), constant(job_s), release_interval_s=release_s)
    cluster = Cluster(machines, 11e6)
    return Scenario(name, cluster, workload, Allocation((1.0,) * 20), Scheduling(machine_failures=failures))


def nfs_testbed() -> Scenario:
    """Three hosts of 1, 2 and 4 slots over NFS on a link of 11.8 MB/s: our own run, job padded as a whole to 3 s."""
    name = "nfs-testbed"
    machines = tuple(Machine(f"sge{slots}", slots, 100e6, 65e6) for slots in (1, 2, 4))
    workload = Workload(12, constant(8.39e6), constant(1.44e6), pad_to_s=3.0)
    scheduling = Scheduling(grid_dispatch_gap_s=0.94, share_unevenness=MEASURED_UNEVENNESS)
    return Scenario(name, Cluster(machines, 11.8e6), workload, Allocation((1.0, 2.0, 4.0)), scheduling)


_PAPER_SCHEDULING = Scheduling(share_unevenness=MEASURED_UNEVENNESS)

PRESETS: dict[str, Callable[[], Scenario]] = {
    "bao2017-72": bao2017_72,
    "bao2017-132": bao2017_132,
    "bao2017-209": bao2017_209,
    "bao2017-figure4": bao2017_figure4,
    "gridfactory": gridfactory,
    "gridfactory-condor": gridfactory_condor,
    "nfs-testbed": nfs_testbed,
}


def preset(name: str) -> Scenario:
    """The preset called `name`; ConfigError lists the names when there is none."""
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; the presets are {', '.join(PRESETS)}")
    return PRESETS[name]()
