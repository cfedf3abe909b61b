"""`hbimg model`: the performance model on presets and on descriptions of one's own cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hbimg.cli.scenario_options import (
    Duration,
    Size,
    echo_json,
    read_scenario,
    scenarios_at,
    source_options,
    workload_options,
)
from hbimg.errors import ConfigError

if TYPE_CHECKING:
    from hbimg.perfmodel.parameters import Scenario
    from hbimg.perfmodel.simulator import System


@click.group()
def model() -> None:
    """Predict a run before it is run: the papers' equations, a simulator, figures, fit and check.

    \b
    Examples:
      hbimg model presets
      hbimg model nsrp --preset bao2017-209
      hbimg model predict --preset bao2017-132 --time 30 --time 60
      hbimg model show --preset bao2017-72 > mine.toml    # a file to start from
    """


@model.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def presets(as_json: bool) -> None:
    """List the clusters of the papers that --preset knows.

    \b
    Example:
      hbimg model presets
    """
    from hbimg.cli.model_tables import print_table
    from hbimg.perfmodel.presets import PRESETS

    rows = [(name, (make.__doc__ or "").strip().splitlines()[0]) for name, make in PRESETS.items()]
    if as_json:
        echo_json([{"preset": name, "about": about} for name, about in rows])
    else:
        print_table("Presets", ("preset", "what it is"), rows)


@model.command()
@source_options
def show(preset: str | None, cluster_file: Path | None, as_json: bool) -> None:
    """Print a scenario as the TOML file that --cluster reads.

    \b
    Example:
      hbimg model show --preset bao2017-72 > mine.toml
    """
    from hbimg.perfmodel.scenario_file import dumps

    scenario = read_scenario(preset, cluster_file)
    if as_json:
        echo_json(scenario)
    else:
        click.echo(dumps(scenario), nl=False)


@model.command()
@source_options
@workload_options
def nsrp(
    preset: str | None, cluster_file: Path | None, as_json: bool, times_s: tuple[float, ...], size_bytes: float | None
) -> None:
    """Network saturation release point: jobs shorter than this keep the shared storage saturated.

    \b
    Examples:
      hbimg model nsrp --preset bao2017-72
      hbimg model nsrp --preset bao2017-209 --time 120 --json
    """
    from hbimg.cli.model_tables import print_readings, print_table
    from hbimg.perfmodel.predict import predict
    from hbimg.perfmodel.readings import readings
    from hbimg.perfmodel.units import human_size, human_time

    if len(times_s) > 1:
        raise ConfigError("nsrp takes one --time: use `hbimg model predict` for several")
    (scenario,) = scenarios_at(read_scenario(preset, cluster_file), times_s, size_bytes)
    prediction, about = predict(scenario), readings(scenario.name)
    if as_json:
        keys = ("scenario", "nsrp_s", "core", "bandwidth_bytes_per_s", "input_bytes", "output_bytes")
        answer = {key: getattr(prediction, key) for key in (*keys, "time_s", "allowed_core", "saturated")}
        echo_json({**answer, "readings": about})
        return
    rows = [
        ("network saturation release point", f"{prediction.nsrp_s:.1f} s"),
        ("grid slots", f"{prediction.core}"),
        ("bandwidth of the storage", f"{human_size(prediction.bandwidth_bytes_per_s)}/s"),
        ("input and output of a job", f"{human_size(prediction.input_bytes + prediction.output_bytes)}"),
        (f"cores the storage feeds at {human_time(prediction.time_s)} a job", f"{prediction.allowed_core:.0f}"),
        (f"saturated at {human_time(prediction.time_s)} a job", "yes" if prediction.saturated else "no"),
    ]
    print_table(prediction.scenario, ("quantity", "value"), rows)
    print_readings(about)


@model.command()
@source_options
@workload_options
def predict(
    preset: str | None, cluster_file: Path | None, as_json: bool, times_s: tuple[float, ...], size_bytes: float | None
) -> None:
    """Wall-clock and resource time by the equations, for the grid engine, a throttled one, and hbimg.

    Without --time, the papers' presets are shown at the job lengths of the experiment.

    \b
    Examples:
      hbimg model predict --preset bao2017-132
      hbimg model predict --preset bao2017-figure4 --size 200MiB --time 1000 --json
      hbimg model predict --cluster mine.toml --time 30s --time 5min
    """
    from hbimg.cli.model_tables import print_predictions, print_readings
    from hbimg.perfmodel.predict import EXPERIMENT_TIMES_S
    from hbimg.perfmodel.predict import predict as predict_one
    from hbimg.perfmodel.readings import readings

    scenario = read_scenario(preset, cluster_file)
    times = times_s or (EXPERIMENT_TIMES_S if preset in ("bao2017-72", "bao2017-132", "bao2017-209") else ())
    predictions = [predict_one(each) for each in scenarios_at(scenario, times, size_bytes)]
    about = readings(scenario.name)
    if as_json:
        echo_json({"scenario": scenario.name, "predictions": predictions, "readings": about})
    else:
        print_predictions(predictions)
        print_readings(about)


@model.command()
@source_options
@workload_options
@click.option(
    "--system",
    type=click.Choice(["grid", "hbimg", "both"]),
    default="both",
    show_default=True,
    help="Shared storage with a grid engine, hbimg, or both.",
)
@click.option("--repeats", default=5, show_default=True, help="Runs with different random draws.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same runs.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the first run as a run report.")
def simulate(
    preset: str | None,
    cluster_file: Path | None,
    as_json: bool,
    times_s: tuple[float, ...],
    size_bytes: float | None,
    system: str,
    repeats: int,
    seed: int,
    report: Path | None,
) -> None:
    """Simulate every job: shared network and disks, dispatch gaps, stealing, stragglers, failures.

    \b
    Examples:
      hbimg model simulate --preset bao2017-209 --time 60
      hbimg model simulate --cluster mine.toml --system grid --repeats 20 --json
      hbimg model simulate --preset nfs-testbed --system grid --report run.json
    """
    from hbimg.cli.model_tables import print_simulations
    from hbimg.perfmodel.simulate import simulate as simulate_one

    systems: tuple[System, ...] = ("grid", "hbimg")
    scenarios = scenarios_at(read_scenario(preset, cluster_file), times_s, size_bytes)
    if report:
        if len(scenarios) > 1 or system == "both":
            raise ConfigError("--report writes one run: give one --time, and --system grid or --system hbimg")
        _write_report(report, scenarios[0], "grid" if system == "grid" else "hbimg", seed)
    results = [
        (scenario.workload.processing_s.mean(), simulate_one(scenario, each, repeats=repeats, seed=seed))
        for scenario in scenarios
        for each in systems
        if system in (each, "both")
    ]
    if as_json:
        echo_json({"simulations": [{"time_s": time_s, **vars(result)} for time_s, result in results]})
    else:
        print_simulations(results)


def _write_report(path: Path, scenario: Scenario, system: System, seed: int) -> None:
    from hbimg.perfmodel.report import dump_report, report_of_trace
    from hbimg.perfmodel.simulate import first_run
    from hbimg.perfmodel.whole_files import write_whole

    trace = first_run(scenario, system, seed)
    write_whole(path, dump_report(report_of_trace(scenario, system, trace)).encode())
    click.echo(f"wrote {path}", err=True)


@model.command()
@source_options
@click.option("--size", "sizes_bytes", type=Size(), multiple=True, metavar="SIZE", help="Row of the map; repeat it.")
@click.option(
    "--time", "times_s", type=Duration(), multiple=True, metavar="SECONDS", help="Column of the map; repeat it."
)
def heatmap(
    preset: str | None,
    cluster_file: Path | None,
    as_json: bool,
    sizes_bytes: tuple[float, ...],
    times_s: tuple[float, ...],
) -> None:
    """log10(hbimg / grid) over the size of a job and its processing time, the numbers of Figure 4.

    \b
    Examples:
      hbimg model heatmap --preset bao2017-figure4
      hbimg model heatmap --cluster mine.toml --size 200MiB --size 500MiB --time 1000 --json
    """
    from hbimg.cli.model_tables import print_heatmap
    from hbimg.perfmodel.heatmap import TABLE_SIZES_BYTES, TABLE_TIMES_S
    from hbimg.perfmodel.heatmap import heatmap as map_of

    scenario = read_scenario(preset, cluster_file)
    result = map_of(scenario, sizes_bytes or TABLE_SIZES_BYTES, times_s or TABLE_TIMES_S)
    if as_json:
        echo_json(result)
    else:
        print_heatmap(result)


@model.command()
@click.argument("number", type=click.Choice(["3", "4"]))
@click.option("--preset", metavar="NAME", help="Draw it for this preset instead of the paper's clusters.")
@click.option(
    "--cluster", "cluster_file", type=click.Path(path_type=Path), metavar="FILE", help="Draw it for your own cluster."
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="STEM", help="Writes STEM.png and STEM.svg. [default: figureN]"
)
def figure(number: str, preset: str | None, cluster_file: Path | None, output: Path | None) -> None:
    """Draw Figure 3 (A, B: times over job length) or 4 (A to D: hbimg against grid over size and length).

    \b
    Examples:
      hbimg model figure 3
      hbimg model figure 4 --output docs/figure4
      hbimg model figure 4 --cluster mine.toml --output mine
    """
    from hbimg.perfmodel import figure_data, figures

    own = read_scenario(preset, cluster_file) if preset or cluster_file else None
    stem = output or Path(f"figure{number}")
    if number == "3":
        curves = figure_data.figure3_curves([own] if own else figure_data.figure3_scenarios())
        title = f"{own.name if own else 'Figure 3'}: {(own or figure_data.figure3_scenarios()[0]).workload.jobs} jobs"
        paths = figures.draw_figure3(curves, title, stem)
    else:
        panels = figure_data.own_panels(own) if own else figure_data.figure4_panels()
        title = f"{own.name if own else 'Figure 4'}: log10 of hbimg's time over the grid engine's"
        paths = figures.draw_figure4(panels, title, stem)
    for path in paths:
        click.echo(path)


@model.command()
@click.argument("reports", nargs=-1, type=click.Path(path_type=Path), metavar="[REPORT]...")
@click.option("--preset", metavar="NAME", help="Start from this preset.")
@click.option(
    "--cluster", "cluster_file", type=click.Path(path_type=Path), metavar="FILE", help="Start from your own file."
)
@click.option(
    "--probe", "disk", type=click.Path(path_type=Path), metavar="DIR", help="Also measure the disk under DIR."
)
@click.option(
    "--probe-storage", "storage", type=click.Path(path_type=Path), metavar="DIR", help="Also measure mounted storage."
)
@click.option(
    "--probe-size", type=Size(), default="256MiB", show_default=True, metavar="SIZE", help="Bytes a probe moves."
)
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the cluster with the fit put in."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; the keys carry the units.")
def fit(
    reports: tuple[Path, ...],
    preset: str | None,
    cluster_file: Path | None,
    disk: Path | None,
    storage: Path | None,
    probe_size: float,
    output: Path | None,
    as_json: bool,
) -> None:
    """Estimate bandwidth, disk speeds, dispatch gap and gamma from run reports, or from a small probe.

    A later source does not replace an earlier one: what the reports tell is not probed for.

    \b
    Examples:
      hbimg model fit run1.json run2.json
      hbimg model fit run1.json --cluster mine.toml --output fitted.toml
      hbimg model fit --probe /data --probe-storage /mnt/nfs
    """
    from hbimg.cli.model_tables import print_fitted
    from hbimg.perfmodel import fit as fitting
    from hbimg.perfmodel.probe import probe_disk, probe_storage
    from hbimg.perfmodel.report import load_report
    from hbimg.perfmodel.scenario_file import dumps, has_workload
    from hbimg.perfmodel.whole_files import write_whole

    if not (reports or disk or storage):
        raise ConfigError("nothing to fit to: give run reports, or --probe DIR, or --probe-storage DIR")
    if output and not (preset or cluster_file):
        raise ConfigError(
            "--output writes the cluster with the fit put in: say which, by --cluster FILE or --preset NAME"
        )
    scenario = read_scenario(preset, cluster_file, jobs_needed=False) if preset or cluster_file else None
    flow = {"host_io": scenario.cluster.host_io, "shared_disk": scenario.cluster.shared_disk} if scenario else {}
    fitted = fitting.fit([load_report(path) for path in reports], **flow) if reports else []
    probed = probe_disk(disk, int(probe_size)) if disk else []
    probed += probe_storage(storage, int(probe_size)) if storage else []
    known = {each.parameter for each in fitted}
    fitted += [each for each in probed if each.parameter not in known]
    if output and scenario:
        jobs_told = cluster_file is None or has_workload(cluster_file)
        write_whole(output, dumps(fitting.with_fitted(scenario, fitted), workload=jobs_told).encode())
        click.echo(f"wrote {output}", err=True)
    if as_json:
        echo_json({"fitted": fitted})
    else:
        print_fitted(fitted)


@model.command()
@click.argument("reports", nargs=-1, type=click.Path(path_type=Path), metavar="[REPORT]...")
@source_options
@click.option("--repeats", default=20, show_default=True, help="Simulated runs behind each prediction.")
def check(
    reports: tuple[Path, ...], preset: str | None, cluster_file: Path | None, as_json: bool, repeats: int
) -> None:
    """Prediction beside measurement: for your run reports, or for what is published about a preset.

    \b
    Examples:
      hbimg model check --preset gridfactory
      hbimg model check --preset nfs-testbed --json
      hbimg model check run1.json run2.json --cluster fitted.toml
    """
    from hbimg.cli.model_tables import print_comparisons
    from hbimg.perfmodel.check import check_report
    from hbimg.perfmodel.published import check_preset
    from hbimg.perfmodel.report import load_report

    if reports:
        scenario = read_scenario(preset, cluster_file, jobs_needed=False)
        rows = [row for path in reports for row in check_report(load_report(path), scenario, repeats)]
    elif preset and not cluster_file:
        rows = check_preset(preset, repeats)
    else:
        raise ConfigError("give run reports and --cluster FILE, or --preset NAME for what is published about it")
    if as_json:
        echo_json({"comparisons": rows})
    else:
        print_comparisons(rows)
