"""`hbimg advise`: whether hbimg pays for one's own data on one's own machines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hbimg.cli.options import opened_table, store_option
from hbimg.cli.scenario_options import Duration, echo_json
from hbimg.errors import ConfigError

if TYPE_CHECKING:
    from hbimg.perfmodel.advice import Advice
    from hbimg.perfmodel.parameters import Scenario
    from hbimg.perfmodel.simulate import SimulationResult

#: Output over input of the paper's experiment, the compression of T1 images: 21.5 GB of 70.7 GB.
PAPER_OUTPUT_RATIO = 21.5 / 70.7
_MOST_OUTPUT_RATIO = 1e6


@dataclass(frozen=True)
class JobSizes:
    """(input bytes, output bytes) of each job, and what was counted, in words."""

    pairs: list[tuple[float, float]]
    counted: str


def job_sizes(source: str, output_ratio: float, store: str | None = None) -> JobSizes:
    """Sizes of one job for each volume of `source`, the output taken as `output_ratio` of the input.

    The one place that knows where sizes come from: a folder or a file, else a table of the store. Raises ConfigError
    when `source` is none of these.
    """
    from hbimg.perfmodel.sizes import volume_sizes

    path = Path(source)
    if not source:
        raise ConfigError("say which data: give a folder, a file or a table, as in `hbimg advise /data/adhd`")
    if not path.exists():
        if "/" in source:
            raise ConfigError(f"there is no such path: {source}; give a folder with DICOM or NIfTI files, or a table")
        return _table_sizes(source, output_ratio, store)
    found = volume_sizes(path)
    counted = (
        f"{len(found.volume_bytes)} volumes in {path}: {found.nifti_files} NIfTI files, {found.dicom_files} DICOM files"
        f" in {found.dicom_folders} folders (one volume each), {found.other_files} other files left out"
    )
    return JobSizes([(float(size), size * output_ratio) for size in found.volume_bytes], counted)


def _table_sizes(table: str, output_ratio: float, store: str | None) -> JobSizes:
    """Sizes of the volumes of a table, as their jobs read them: the frames and the rest, unpacked."""
    from hbimg.errors import TableNotFoundError

    try:
        with opened_table(store, table) as volumes:
            sizes = [max(r.file_bytes, r.frame_bytes) for r in volumes.records() if r.is_volume]
    except (TableNotFoundError, ConfigError) as error:
        raise ConfigError(f"{table} is neither a path nor a table: {error}") from error
    if not sizes:
        raise ConfigError(f"table {table} holds no volumes: ingest some first")
    return JobSizes([(float(size), size * output_ratio) for size in sizes], f"{len(sizes)} volumes in table {table}")


@click.command()
@click.argument("source", metavar="PATH-OR-TABLE")
@click.option("--cluster", "cluster_file", type=click.Path(path_type=Path), metavar="FILE", help="Your machines, TOML.")
@click.option("--preset", metavar="NAME", help="A cluster of the papers instead.")
@click.option("--time", "time_s", type=Duration(), metavar="SECONDS", help="Processing time of a volume: 30s, 5min.")
@click.option("--output-ratio", type=float, metavar="X", help="Bytes out per byte in.  [default: 0.304, the paper's]")
@store_option
@click.option("--repeats", default=3, show_default=True, help="Simulated runs behind each number.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; the keys carry the units.")
def advise(
    source: str,
    cluster_file: Path | None,
    preset: str | None,
    time_s: float | None,
    output_ratio: float | None,
    store: str | None,
    repeats: int,
    as_json: bool,
) -> None:
    """Say whether hbimg pays for your data on your machines, how much, and what limits.

    Reads the real sizes under a path, or of a table of the store, and compares your grid engine over shared storage,
    the same throttled to what the storage feeds, and hbimg. `hbimg model show --preset bao2017-72` prints a cluster
    file to start from.

    \b
    Examples:
      hbimg advise /data/adhd --cluster mine.toml --time 30s
      hbimg advise /data/adhd --cluster mine.toml --time 2h --output-ratio 3 --json
    """
    from hbimg.perfmodel.advice import advise as advise_on
    from hbimg.perfmodel.units import require_not_negative

    ratio = PAPER_OUTPUT_RATIO if output_ratio is None else output_ratio
    require_not_negative("--output-ratio", ratio)
    if ratio > _MOST_OUTPUT_RATIO:
        raise ConfigError(f"--output-ratio = {ratio:g}: at most {_MOST_OUTPUT_RATIO:g} bytes out per byte in")
    base = _cluster_of(cluster_file, preset, time_s)
    sizes = job_sizes(source, ratio, store)
    advice = advise_on(_scenario(base, sizes, time_s), repeats=repeats)
    if as_json:
        echo_json({"source": source, "counted": sizes.counted, "output_ratio": ratio, **vars(advice)})
        return
    click.echo(sizes.counted)
    click.echo(f"Output of a job: {ratio:.3g} of its input" + (", as in the paper." if output_ratio is None else "."))
    _print_advice(advice)


def _cluster_of(cluster_file: Path | None, preset: str | None, time_s: float | None) -> Scenario:
    from hbimg.perfmodel import presets, scenario_file

    if (preset is None) == (cluster_file is None):
        raise ConfigError("say which machines: give --cluster FILE, or --preset NAME for the papers' clusters")
    if preset is not None:
        base, timed = presets.preset(preset), True
    else:
        assert cluster_file is not None
        base, timed = scenario_file.load(cluster_file), scenario_file.has_workload(cluster_file)
    if time_s is None and not (timed and base.workload.processing_s.mean() > 0):
        raise ConfigError("say how long one volume is processed: give --time, as in --time 30s")
    return base


def _scenario(base: Scenario, sizes: JobSizes, time_s: float | None) -> Scenario:
    """`base`'s machines and scheduling with one job for each volume."""
    from hbimg.perfmodel.distributions import Distribution

    inputs, outputs = zip(*sizes.pairs, strict=True)
    workload = replace(
        base.workload,
        jobs=len(inputs),
        input_bytes=Distribution("sample", inputs),
        output_bytes=Distribution("sample", outputs),
        release_interval_s=0.0,
        pad_to_s=0.0,
    )
    return replace(base, workload=workload if time_s is None else workload.with_time(time_s))


def _print_advice(advice: Advice) -> None:
    from hbimg.cli.model_tables import echo_point, interval, print_table
    from hbimg.perfmodel.units import human_time

    prediction, simulations = advice.prediction, advice.simulations
    click.echo(f"\n{advice.verdict[0].upper()}{advice.verdict[1:]}.")
    for reason in advice.reasons:
        echo_point(reason)
    click.echo("")
    rows = []
    # One unit for each column: 92.0 h and 4.3 d are hard to compare.
    wall_s, resource_s = prediction.grid.wall_clock_s, prediction.grid.resource_time_s
    for label, key in (("grid engine", "grid"), ("throttled grid", "throttled_grid"), ("hbimg", "hbimg")):
        closed = getattr(prediction, key)
        if key == "throttled_grid" and closed.core == prediction.grid.core:
            continue
        row = [label, str(closed.core), human_time(closed.wall_clock_s, wall_s)]
        row.append(human_time(closed.resource_time_s, resource_s))
        if simulations:
            simulated: SimulationResult = getattr(simulations, key)
            row += [interval(simulated.wall_clock_s, wall_s), interval(simulated.resource_time_s, resource_s)]
        rows.append(row)
    columns = ["", "slots", "wall\nclock", "resource\ntime"]
    title = f"{prediction.jobs} jobs of {human_time(prediction.time_s)}, by the equations"
    if simulations:
        columns += ["simulated\nwall clock", "simulated\nresource time"]
        title += " and simulated (mean ± half of the 95% interval)"
    else:
        click.echo(f"{prediction.jobs} jobs are too many to simulate here: the equations answer alone.", err=True)
    print_table(title, columns, rows)
