"""A run of the engine itself, from ingest to its report, and what the model makes of it."""

from __future__ import annotations

import json
import socket

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

from hbimg.cli import cli

CLUSTER = """
[cluster]
bandwidth = "100 MB/s"
host_io = false
[[cluster.machine]]
name = "{host}"
cores = 1
disk_read = "500 MB/s"
disk_write = "300 MB/s"
"""


def run(*arguments):
    result = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def reported(tmp_path):
    rng = np.random.default_rng(0)
    images = tmp_path / "images"
    images.mkdir()
    for number in range(6):
        image = nibabel.Nifti1Image(rng.integers(0, 400, (32, 32, 20)).astype(np.int16), np.eye(4))
        nibabel.save(image, images / f"sub-{number:02d}_T1w.nii")
    place = ("--table", "t1", "--store", f"local://{tmp_path / 'store'}")
    run("ingest", images, *place)
    run("run", "compress", *place, "--pad-to", "0.2", "--workers", "1")
    (listed,) = json.loads(run("runs", *place, "--json"))
    report = tmp_path / "run.json"
    report.write_text(run("report", listed["id"], *place, "--json"))
    return report


def test_fit_and_check_read_the_report_of_a_real_run(reported, tmp_path):
    machines, fitted_file = tmp_path / "machines.toml", tmp_path / "fitted.toml"
    machines.write_text(CLUSTER.format(host=socket.gethostname()))
    answer = run("model", "fit", reported, "--cluster", machines, "--output", fitted_file, "--json")
    fitted = {each["parameter"]: each["estimate"]["mean"] for each in json.loads(answer)["fitted"]}
    assert {"disk_read_bytes_per_s", "disk_write_bytes_per_s"} <= set(fitted)
    # The engine hands a worker its next volume at once and reads it from this very machine.
    assert fitted["map_dispatch_gap_s"] < 0.19
    assert fitted["network_share"] == 0
    rows = json.loads(run("model", "check", reported, "--cluster", fitted_file, "--json"))["comparisons"]
    resource = [row for row in rows if "resource time" in row["quantity"]]
    assert len(resource) == 2
    for row in resource:
        assert row["measured"] > 1.19  # six volumes, each padded to 0.2 s
        assert row["predicted"] == pytest.approx(row["measured"], rel=0.5)
