"""`hbimg submit`: scripts with `#HBIMG` lines become runs of `exec`; what is wrong in them is one line."""

from __future__ import annotations

import gzip

import pytest
from click.testing import CliRunner

from hbimg.cli import cli
from hbimg.cli.submit import exec_arguments
from hbimg.errors import HbimgError, JobError
from hbimg.store import open_store
from hbimg.testing.volumes import store_volumes
from hbimg.volumes import VolumeTable, entries, read_artefact

SCRIPT = """#!/bin/sh
#HBIMG --table t1 --where 'subject=sub-0*'
# a comment, and #HBIMG --not-an-option
#HBIMG --name smooth --memory 2000 --cores 2
#HBIMG --inputs nifti --outputs=smooth.nii.gz,log.txt
gzip -n -c "$1" > "$2"
wc -c < "$1" > "$3"
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "smooth.sh"
    path.write_text(SCRIPT)
    return path


def test_a_script_becomes_a_command(script):
    assert exec_arguments(script, ("--dry-run",)) == [
        *("--table", "t1", "--where", "subject=sub-0*"),
        *("--result-name", "smooth", "--job-name", "smooth", "--memory", "2000", "--cores", "2"),
        *("--input-as", "nifti", "--dry-run", "--with", str(script), "--"),
        *("/bin/sh", "./smooth.sh", "{input}", "{output:smooth.nii.gz}", "{output:log.txt}"),
    ]


def test_the_command_line_wins(script):
    words = exec_arguments(script, ("--outputs", "a", "--table", "t2"))
    assert words[-1] == "{output:a}"
    assert words.index("t1") < words.index("t2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo\n", "no line that begins with #HBIMG"),
        ("#HBIMG --where 'x\n", "line 1: No closing quotation"),
        ("#HBIMG --name\n", "--name needs a value"),
        ("#HBIMG --outputs=\n", "--outputs needs a value"),
    ],
)
def test_what_is_wrong_in_a_script_is_one_line(tmp_path, text, said):
    path = tmp_path / "job.sh"
    path.write_text(text)
    with pytest.raises(JobError, match=said) as caught:
        exec_arguments(path, ())
    assert "\n" not in str(caught.value)


def test_a_script_runs_once_for_each_volume(tmp_path, script, monkeypatch):
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t1"), 3)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["submit", "smooth.sh", "--store", url, "-w", "1"])
    assert done.exit_code == 0, (done.output, done.exception)
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t1")
        found = [
            {item.name: b"".join(read_artefact(volumes, manifest, item)) for item in manifest.artefacts}
            for _, manifests in entries(volumes)
            for manifest in manifests
            if manifest.name == "smooth"
        ]
    assert len(found) == 3
    assert int(found[0]["log.txt"]) == len(gzip.decompress(found[0]["smooth.nii.gz"]))


def test_a_dry_run_on_this_machine_says_that_nothing_would_be_submitted(tmp_path, script):
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t1"), 1)
    done = CliRunner().invoke(cli, ["submit", str(script), "--store", url, "--dry-run"])
    assert isinstance(done.exception, HbimgError)
    assert "nothing would be submitted" in str(done.exception)


def test_jobs_of_this_machine_are_not_on_a_cluster(tmp_path):
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t1"), 2)
    runner, where = CliRunner(), ["--table", "t1", "--store", url]
    runner.invoke(cli, ["run", "compress", *where, "-w", "1"])
    listed = runner.invoke(cli, ["jobs", "list", *where, "--json"])
    assert listed.stdout.strip() == "[]"
    with open_store(url) as store:
        from hbimg.volumes.runs import runs

        (run,) = runs(VolumeTable.open(store, "t1"))
    for command in ("follow", "kill", "pause", "logs"):
        done = runner.invoke(cli, ["jobs", command, run["id"], *where])
        assert isinstance(done.exception, HbimgError), (command, done.output, done.exception)
    done = runner.invoke(cli, ["jobs", "rerun", run["id"], *where, "--json"])
    assert done.exit_code == 0
    assert '"current": 2' in done.stdout
