"""Equations 1 to 9 of the paper, each a small pure function.

Source: Bao, Parvathaneni, Huo et al., "Theoretical and empirical comparison of big data image processing with Apache
Hadoop and Sun Grid Engine", SPIE Medical Imaging 2017 (PMC5521265), section 2.2. Numbers in brackets are the paper's.
Symbols: data_in, data_out bytes of one job; B bandwidth of the cluster in bytes/s; T_j processing time of one job in s;
V speeds in bytes/s; alpha is 1 for Hadoop and 0 for the grid engine, beta the reverse; gamma is the share of jobs whose
data crosses the network (always 1 for the grid engine). Arguments are not checked here: `parameters` does that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def job_time_s(
    processing_s: float, data_in: float, data_out: float, source: tuple[float, float], host: tuple[float, float]
) -> float:
    """(1) Time of one job: data_in/V_sourceR + (data_in/V_hostR + T_j + data_out/V_hostW) + data_out/V_sourceW.

    `source` and `host` are (read, write) speeds in bytes/s; `math.inf` stands for what is negligible. The overhead eta
    of the paper is left out, as the paper leaves it out.
    """
    retrieval = data_in / source[0]
    processing = data_in / host[0] + processing_s + data_out / host[1]
    storage = data_out / source[1]
    return retrieval + processing + storage


def wall_clock_s(network_s: float, local_s: float, gamma: float, alpha: int) -> float:
    """(2) T_wc = gamma * T_wc_network + alpha * (1 - gamma) * T_wc_local."""
    return gamma * network_s + alpha * (1 - gamma) * local_s


def rounds_hadoop(jobs_per_machine: Sequence[float], cores: Sequence[int]) -> int:
    """(3) #Round = max_i ceil(job_i / core_i): the 'short plate' machine decides."""
    return max(ceil_ratio(job, core) for job, core in zip(jobs_per_machine, cores, strict=True))


def jobs_per_machine(job: float, regions: Sequence[float]) -> list[float]:
    """(4) job_i = #job * region_i / #region."""
    total = sum(regions)
    return [job * region / total for region in regions]


def rounds_grid(job: float, core: float) -> int:
    """(5, its #Round) #Round = ceil(#job / #core): the grid engine sends jobs to whatever core is free."""
    return ceil_ratio(job, core)


def wall_clock_network_s(rounds: int, transferred_bytes: float, real_bandwidth: float, work_s: float) -> float:
    """(5) T_wc_network = #Round * ((data_in + data_out)/B_real + T_j), with the disk terms in `work_s` for Hadoop."""
    return rounds * (transferred_bytes / real_bandwidth + work_s)


def wall_clock_local_s(rounds: int, work_s: float) -> float:
    """(3, its T_wc_local) #Round * (T_j + time on the local disk), given as `work_s`."""
    return rounds * work_s


def allowed_core(bandwidth: float, processing_s: float, transferred_bytes: float) -> float:
    """(6) #allowed_core = B * T_j / (data_in + data_out): the cores that work without congesting the network."""
    return math.inf if transferred_bytes == 0 else bandwidth * processing_s / transferred_bytes


def congested_bandwidth(bandwidth: float, core: float, allowed: float) -> float:
    """(7) B_real = B / (#core - #allowed_core) under congestion.

    It follows from one round: #core jobs move #core * (data_in + data_out) through B, and each job fills that time with
    its own transfer at B_real and with T_j, so (data_in + data_out)/B_real + T_j = #core * (data_in + data_out)/B.
    """
    return bandwidth / (core - allowed)


def real_bandwidth(bandwidth: float, core: float, allowed: float) -> float:
    """(8) B_real before and after the release point: (7) while that is below B, else B itself.

    Equation 7 alone would pass B, and then infinity, when #allowed_core comes within one core of #core.
    """
    return bandwidth if core - allowed <= 1 else congested_bandwidth(bandwidth, core, allowed)


def nsrp_s(bandwidth: float, core: float, transferred_bytes: float) -> float:
    """Network saturation release point: the T_j at which #allowed_core of (6) equals #core."""
    return core * transferred_bytes / bandwidth


def resource_time_s(job: float, work_s: float, gamma: float, transferred_bytes: float, real_bandwidth: float) -> float:
    """(9) Sum over jobs of T_j (and alpha times the disk terms: `work_s`) and gamma * (data_in + data_out)/B_real."""
    return job * (work_s + gamma * transferred_bytes / real_bandwidth)


def round_pipelined_s(processing_s: float, core: float, transferred_bytes: float, bandwidth: float) -> float:
    """Length of a grid round, from (5) and (8): max(T_j + x/B, #core * x/B), flat to the release point, then T_j."""
    return max(processing_s + transferred_bytes / bandwidth, core * transferred_bytes / bandwidth)


def round_synchronised_s(processing_s: float, core: float, transferred_bytes: float, bandwidth: float) -> float:
    """Length of a grid round when all slots fetch, compute and store at the same moments: T_j + #core * x/B.

    No overlap between transfers and processing; what a real first round looks like (hbimg's own addition).
    """
    return processing_s + core * transferred_bytes / bandwidth


def ceil_ratio(numerator: float, denominator: float) -> int:
    """Ceiling of a ratio, not lifted by rounding errors of the ratio itself (300.0000000001 counts as 300)."""
    ratio = numerator / denominator
    nearest = round(ratio)
    return nearest if math.isclose(ratio, nearest, rel_tol=1e-9) else math.ceil(ratio)
