"""The local engine in trouble: workers that die, Ctrl-C, two engines on one table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from trouble_jobs import Trouble

from hbimg.errors import JobError, TableNotFoundError
from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.jobs.stats import Stats
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.store import open_store
from hbimg.testing.volumes import store_volumes
from hbimg.volumes import VolumeTable, entries, load_run, read_artefact, runs
from hbimg.volumes.verify import orphans


@pytest.fixture
def url(tmp_path):
    """An embedded store with 6 volumes in table ``t``."""
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t"), 6)
    return url


def run(url, job, **settings):
    with open_store(url) as store:
        return run_job(job, store, VolumeTable.open(store, "t"), RunSettings(**settings))


def all_artefacts(url):
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        return {
            (str(record.key), manifest.name, item.name): b"".join(read_artefact(volumes, manifest, item))
            for record, manifests in entries(volumes)
            for manifest in manifests
            for item in manifest.artefacts
        }


@pytest.mark.parametrize("how", ["exit", "segfault"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_crashes_its_worker_costs_one_volume(url, how, workers, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    job = Trouble(on="sub-001/ses-0/T1w", how=how, marks=str(marks))
    result = run(url, job, workers=workers)
    assert result.report["volumes"] == {"done": 5, "current": 0, "skipped": 0, "failed": 1}
    (failure,) = result.report["failed"]
    assert failure["key"] == "made/sub-001/ses-0/T1w"
    assert {"exit": "exit status 7", "segfault": "SIGSEGV"}[how] in failure["reason"]
    # It was tried twice. The volume before may have been about to be committed: then that was tried again too.
    tried = [path.name.partition(".")[0] for path in marks.iterdir()]
    assert tried.count("made_sub-001_ses-0_T1w") == 2
    assert 7 <= len(tried) <= 8
    assert len(all_artefacts(url)) == 5


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(url, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()

    def kill_the_first():
        while not (found := list(marks.iterdir())):
            time.sleep(0.01)
        os.kill(int(str(found[0].readlink())), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    result = run(url, Trouble(marks=str(marks), seconds=0.2), workers=2)
    killer.join()
    assert result.state == "finished"
    assert result.report["volumes"]["done"] == 6
    assert 7 <= len(list(marks.iterdir())) <= 8
    assert len(all_artefacts(url)) == 6


def test_results_are_the_same_bytes_with_one_worker_and_with_three(url):
    run(url, Compress(), workers=1)
    one = run(url, Stats(), workers=1)
    made = all_artefacts(url)
    run(url, Compress(), workers=3, force=True)
    three = run(url, Stats(), workers=3, force=True)
    assert all_artefacts(url) == made
    assert three.outputs == one.outputs


def test_two_engines_at_once_on_one_table_leave_one_result_each(url):
    command = [sys.executable, "-m", "hbimg", "run", "compress", "--table", "t", "--store", url, "--workers", "2"]
    engines = [subprocess.Popen([*command, "--force"], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [engine.communicate()[1] for engine in engines]
    assert [engine.returncode for engine in engines] == [0, 0], ends
    made = all_artefacts(url)
    assert len(made) == 6
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        assert list(orphans(volumes)) == []
        assert [found["state"] for found in runs(volumes)] == ["finished", "finished"]


def started(url, tmp_path, *options):
    """Start a slow run of two workers as a user would, and wait until volumes are worked on."""
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, "-m", "hbimg", "run", "trouble_jobs:Trouble", "--table", "t", "--store", url]
    command += ["--workers", "2", "--param", f"marks={marks}", *options]
    process = subprocess.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.PIPE, text=True)
    while len(list(marks.iterdir())) < 2 and process.poll() is None:
        time.sleep(0.01)
    return process, marks


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_ends_after_the_current_volumes_and_the_next_run_goes_on(url, tmp_path, number):
    process, marks = started(url, tmp_path, "--param", "seconds=0.3")
    process.send_signal(number)
    words = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "once more kills" in words
    assert words.splitlines()[-1].startswith("hbimg: the run was stopped")
    assert "Traceback" not in words
    done = len(all_artefacts(url))
    assert 2 <= done < 6
    assert len(list(marks.iterdir())) == done  # what was begun was ended
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        (record,) = runs(volumes)
        assert record["state"] == "interrupted"
        assert sum(line[1] == "done" for line in record["volumes"]) == done
    again = run(url, Trouble(marks=str(marks), seconds=0.3), workers=2)
    assert (again.report["volumes"]["current"], again.report["volumes"]["done"]) == (done, 6 - done)
    assert len(all_artefacts(url)) == 6


def test_the_second_interrupt_kills(url, tmp_path):
    process, marks = started(url, tmp_path, "--param", "seconds=300")
    workers = [int(str(path.readlink())) for path in marks.iterdir()]
    process.send_signal(signal.SIGINT)
    assert any("once more kills" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "Traceback" not in words
    for worker in workers:
        assert not Path(f"/proc/{worker}").exists()
    assert not all_artefacts(url)
    with open_store(url) as store:
        assert next(runs(VolumeTable.open(store, "t")))["state"] == "interrupted"


def test_workers_end_when_their_parent_is_killed(url, tmp_path):
    process, marks = started(url, tmp_path, "--param", "seconds=0.3")
    workers = [int(str(path.readlink())) for path in marks.iterdir()]
    process.kill()
    process.communicate()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.05)
    listed = subprocess.run(
        [sys.executable, "-m", "hbimg", "runs", "--table", "t", "--store", url, "--json"],
        capture_output=True,
        text=True,
    )
    assert json.loads(listed.stdout)[0]["state"] == "lost"


def test_a_store_that_is_gone_stops_the_run_with_its_own_error(url, tmp_path):
    class Gone:
        """A store whose URL leads to an empty folder."""

        servers = ()

        def __init__(self, url):
            self.url = url

    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        with pytest.raises(TableNotFoundError, match="no table 't'"):
            run_job(Compress(), Gone(f"local://{tmp_path}/empty"), volumes, RunSettings(workers=2))
        (record,) = runs(volumes)
        assert record["state"] == "failed"
        assert "no table 't'" in record["error"]


def test_workers_that_cannot_begin_are_given_up(url, monkeypatch):
    monkeypatch.setattr("hbimg.mapreduce.local.COMMAND", "import os; os._exit(3)")
    with pytest.raises(JobError, match="exit status 3"):
        run(url, Compress(), workers=2)
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t")
        assert load_run(volumes, next(runs(volumes))["id"])["state"] == "failed"


def test_a_worker_that_dies_before_it_has_its_order_is_told_of(url, monkeypatch):
    """Ctrl-C reaches a process that is not yet in a group of its own; the run ended in silence then."""
    popen = subprocess.Popen

    def born_dead(command, **options):
        process = popen(command, **options)
        process.kill()
        process.wait()
        return process

    monkeypatch.setattr("hbimg.mapreduce.local.subprocess.Popen", born_dead)
    with pytest.raises(JobError, match=r"worker processes end before they begin \(killed by SIGKILL"):
        run(url, Compress(), workers=2)


def peak_of_workers_mib(command):
    """Run a command and give the peak of its worker processes' own memory; pages of mapped files are the kernel's."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for child in process.children(recursive=True):
                memory = child.memory_info()
                peak = max(peak, memory.rss - memory.shared)
        time.sleep(0.005)
    assert process.returncode == 0
    return peak / 2**20


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_volumes(tmp_path):
    volume_mib = 16
    peaks = {}
    for count in (10, 40):
        url = f"local://{tmp_path}/store-{count}"
        with open_store(url) as store:
            store_volumes(VolumeTable.create(store, "t"), count, shape=(256, 256, 128))
        options = ["--table", "t", "--store", url, "--workers", "1"]
        peaks[count] = peak_of_workers_mib([sys.executable, "-m", "hbimg", "run", "compress", *options])
    assert abs(peaks[40] - peaks[10]) < volume_mib, peaks
    # The volume that is worked on, the next one, the result of one; 60 MiB are Python and its modules.
    assert peaks[40] < 60 + 4 * volume_mib, peaks
