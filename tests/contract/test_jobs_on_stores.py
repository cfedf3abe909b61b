"""Every job does the same on every store: results, runs, skipping, failing."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter

import numpy as np
import pytest
from trouble_jobs import BadNames, Trouble

from hbimg.errors import ParameterError, RowKeyError
from hbimg.mapreduce.jobs.checksum import Checksum
from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.jobs.dicom2nifti import Dicom2Nifti
from hbimg.mapreduce.jobs.stats import Stats
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.store.cells import seal
from hbimg.testing.volumes import nifti_content, smooth_voxels, store_volumes
from hbimg.volumes import (
    VolumeContent,
    VolumeReader,
    VolumeTable,
    Where,
    entries,
    load_run,
    manifest_of,
    read_artefact,
    store_content,
)


@pytest.fixture(params=["memory:", "local"])
def table(request, tmp_path):
    """(store, table of 5 volumes) in memory, where jobs run inline, and embedded, where they run in workers."""
    url = request.param if request.param == "memory:" else f"local://{tmp_path}/store"
    with open_store(url) as store:
        volumes = VolumeTable.create(store, "t")
        store_volumes(volumes, 5)
        yield store, volumes


def artefacts(volumes, name):
    """Every artefact of every result of a name: (key, artefact) to bytes."""
    found = {}
    for record, manifests in entries(volumes):
        for manifest in manifests:
            if manifest.name == name:
                for item in manifest.artefacts:
                    found[str(record.key), item.name] = b"".join(read_artefact(volumes, manifest, item))
    return found


def test_compress_gunzips_to_the_file(table):
    store, volumes = table
    result = run_job(Compress(), store, volumes, RunSettings(workers=2))
    assert result.state == "finished"
    assert result.report["volumes"] == {"done": 5, "current": 0, "skipped": 0, "failed": 0}
    made = artefacts(volumes, "compress")
    read = 0
    for record in volumes.records():
        (file,) = [b"".join(pieces) for _, pieces in VolumeReader(volumes, record).unpacked()]
        assert gzip.decompress(made[str(record.key), "T1w.nii.gz"]) == file
        read += len(file)
    assert result.report["bytes"]["output"] == sum(map(len, made.values()))
    assert result.report["bytes"]["input"] == read
    assert all(task["read_seconds"] > 0 < task["compute_seconds"] for task in result.report["tasks"])


def test_a_run_is_recorded_with_its_report(table):
    store, volumes = table
    result = run_job(Compress(level="gzip-6"), store, volumes, RunSettings(where=Where.parse("subject=sub-000")))
    run = load_run(volumes, result.run_id)
    assert (run["state"], run["job"], run["parameters"]["level"]) == ("finished", "compress", "gzip-6")
    assert [line[:2] for line in run["volumes"]] == [
        ["made/sub-000/ses-0/T1w", "done"],
        ["made/sub-000/ses-1/T1w", "done"],
    ]
    assert run["report"] == result.report
    manifest = manifest_of(volumes, next(volumes.records()).key, "compress")
    assert manifest.made["run"] == result.run_id


def test_current_results_are_skipped_until_something_differs(table):
    store, volumes = table
    run_job(Compress(), store, volumes, RunSettings(workers=1))
    again = run_job(Compress(), store, volumes, RunSettings(workers=1))
    assert (again.report["volumes"]["current"], again.report["volumes"]["done"]) == (5, 0)
    forced = run_job(Compress(), store, volumes, RunSettings(workers=1, force=True))
    assert forced.report["volumes"]["done"] == 5
    other = run_job(Compress(level="igzip-0"), store, volumes, RunSettings(workers=1))
    assert other.report["volumes"]["done"] == 5
    beside = run_job(Compress(), store, volumes, RunSettings(workers=1, result_name="fast"))
    assert beside.report["volumes"]["done"] == 5
    assert manifest_of(volumes, next(volumes.records()).key, "compress").parameters["level"] == "igzip-0"
    key = next(volumes.records()).key
    store_content(volumes, nifti_content(key, smooth_voxels((8, 8, 3), seed=99)), replace=True)
    changed = run_job(Compress(level="igzip-0"), store, volumes, RunSettings(workers=1))
    assert (changed.report["volumes"]["current"], changed.report["volumes"]["done"]) == (4, 1)


@pytest.mark.parametrize("how", ["raise", "late", "memory"])
def test_a_volume_that_fails_costs_only_itself(table, how):
    store, volumes = table
    result = run_job(Trouble(on="sub-000/ses-1/T1w", how=how), store, volumes, RunSettings(workers=2))
    assert result.state == "failed"
    assert result.report["volumes"] == {"done": 4, "current": 0, "skipped": 0, "failed": 1}
    (failure,) = result.report["failed"]
    assert failure["key"] == "made/sub-000/ses-1/T1w"
    assert "\n" not in failure["reason"]
    expected = {"raise": "ValueError: this volume is bad (trouble_jobs.py, line ", "memory": "MemoryError"}
    assert failure["reason"].startswith(expected.get(how, "RuntimeError: after the first artefact"))
    # Nothing of the failed attempt is left.
    assert {key for key, _ in artefacts(volumes, "trouble")} == {str(r.key) for r in volumes.records()} - {
        failure["key"]
    }
    assert not list(volumes.table.scan(volumes.scheme.result_range(_key(volumes, failure["key"]), "trouble")))


def test_too_many_failures_stop_a_run(table):
    store, volumes = table
    result = run_job(Trouble(on="T1w", how="raise"), store, volumes, RunSettings(workers=1, max_failures=1))
    assert result.state == "failed"
    assert 2 <= result.report["volumes"]["failed"] < 5
    assert "--max-failures allows 1" in load_run(volumes, result.run_id)["error"]
    enough = run_job(Trouble(on="T1w", how="raise"), store, volumes, RunSettings(workers=1, max_failures=5))
    assert enough.report["volumes"]["failed"] == 5
    with pytest.raises(ParameterError, match="at most -1 failures"):
        RunSettings(max_failures=-1)


def _key(volumes, text):
    return next(record.key for record in volumes.records() if str(record.key) == text)


@pytest.mark.parametrize("names", ["a/../b", "/a", "a//b", "..", "twice twice", ""])
def test_artefact_names_are_checked(table, names):
    store, volumes = table
    result = run_job(BadNames(names=names), store, volumes, RunSettings(workers=1))
    assert result.report["volumes"]["failed"] == 5
    assert not artefacts(volumes, "bad-names")


def test_a_damaged_cell_fails_its_volume_and_checksum_finds_it(table):
    store, volumes = table
    assert run_job(Checksum(), store, volumes, RunSettings(workers=1)).state == "finished"
    # The packed volume's frames are not needed to give its original back: checksum reads them all the same.
    record = list(volumes.records())[2]
    assert next(VolumeReader(volumes, record).files()).packing
    row = volumes.scheme.frame(record.key, record.generation, 3)
    (column,) = volumes.table.get(row)
    cell = bytearray(volumes.table.get(row)[column])
    cell[5] ^= 1
    volumes.table.put(row, {column: bytes(cell)})
    result = run_job(Checksum(), store, volumes, RunSettings(workers=1))
    (failure,) = result.report["failed"]
    assert failure["key"] == str(record.key)
    assert "damaged" in failure["reason"]
    # A sound checksum over other bytes is found by the file's SHA-256.
    other = list(volumes.records())[1]
    row = volumes.scheme.frame(other.key, other.generation, 3)
    volumes.table.put(row, {column: seal(row, column, bytes(cell[:-8]))})
    assert run_job(Checksum(), store, volumes, RunSettings(workers=1)).report["volumes"]["failed"] == 2


def test_checksum_reads_no_frame_twice(tmp_path, monkeypatch):
    """Save those of a stream that is kept beside its frames, they are read with the files."""
    passes = []
    frames = VolumeReader.frames

    def counted(reader):
        passes.append(str(reader.record.key))
        return frames(reader)

    monkeypatch.setattr(VolumeReader, "frames", counted)
    with open_store("memory:") as store:
        volumes = VolumeTable.create(store, "t")
        for subject, packed in (("plain", False), ("kept", True)):
            key = VolumeKey("p", subject, "1", "T1w")
            store_content(volumes, nifti_content(key, smooth_voxels((16, 12, 5)), packed=packed))
        assert run_job(Checksum(), store, volumes, RunSettings()).report["volumes"]["done"] == 2
    # Asking for the frames of a kept stream once more is what reads them: its original does not take any.
    assert Counter(passes) == {"p/plain/1/T1w": 1, "p/kept/1/T1w": 2}


def test_checksum_writes_down_the_digests_and_is_never_current(table):
    store, volumes = table
    run_job(Checksum(), store, volumes, RunSettings(workers=1))
    for record in volumes.records():
        found = json.loads(artefacts(volumes, "checksum")[str(record.key), "T1w.sha256.json"])
        (file,) = [b"".join(pieces) for _, pieces in VolumeReader(volumes, record).originals()]
        facts = {"size_bytes": len(file), "sha256": hashlib.sha256(file).hexdigest()}
        assert [{k: v for k, v in listed.items() if k != "name"} for listed in found["files"]] == [facts]
    again = run_job(Checksum(), store, volumes, RunSettings(workers=1)).report
    assert again["volumes"]["done"] == 5
    assert again["bytes"]["input"] == sum(record.file_bytes for record in volumes.records())


def test_checksum_reads_series_that_were_set_aside_too(table):
    store, volumes = table
    source = nifti_content(next(volumes.records()).key, smooth_voxels((4, 4, 2)))
    key = type(source.key)("made", "sub-009", "-", "report")
    store_content(volumes, VolumeContent(key=key, kind="series", format="dicom", files=source.files))
    assert run_job(Checksum(), store, volumes, RunSettings(workers=1)).report["volumes"]["done"] == 6
    assert (str(key), "report.sha256.json") in artefacts(volumes, "checksum")
    record = volumes.record(key)
    row = next(volumes.table.scan(volumes.scheme.files_range(key, record.generation), ["h"])).key
    column, cell = list(volumes.table.get(row).items())[-1]
    volumes.table.put(row, {column: b"x" + bytes(cell[1:])})
    assert run_job(Checksum(), store, volumes, RunSettings(workers=1)).report["volumes"]["failed"] == 1


def test_what_a_job_does_not_take_is_skipped_with_the_reason(table):
    store, volumes = table
    source = nifti_content(next(volumes.records()).key, smooth_voxels((4, 4, 2)))
    aside = VolumeContent(
        key=type(source.key)("made", "sub-009", "-", "scout"), kind="series", format="dicom", files=source.files
    )
    store_content(volumes, aside)
    result = run_job(Dicom2Nifti(), store, volumes, RunSettings(workers=1))
    assert result.report["skipped"] == {"NIfTI already": 5, "set aside at ingest": 1}
    assert result.state == "finished"


def test_stats_equal_numpy(table):
    store, volumes = table
    result = run_job(Stats(by="subject", bins=10, range="0,1000"), store, volumes, RunSettings(workers=2))
    rows = json.loads(result.outputs["stats.json"])
    assert [row["group"] for row in rows] == ["made/sub-000", "made/sub-001", "made/sub-002"]
    values = np.concatenate([smooth_voxels((16, 12, 5), seed=seed).ravel() for seed in (0, 1)]).astype(float)
    assert (rows[0]["volumes"], rows[0]["voxels"]) == (2, values.size)
    assert (rows[0]["minimum"], rows[0]["maximum"]) == (values.min(), values.max())
    assert rows[0]["mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert rows[0]["variance"] == pytest.approx(values.var(), rel=1e-12)
    assert rows[0]["histogram"]["counts"] == np.histogram(values, 10, (0, 1000))[0].tolist()
    assert rows[0]["histogram"]["above"] == int((values > 1000).sum())
    assert result.outputs["stats.csv"].splitlines()[1].startswith(f"made/sub-000,2,1920,0,{values.min()},")


def test_stats_scale_values_and_set_apart_what_is_no_number(table):
    store, volumes = table
    array = np.asfortranarray(np.arange(24, dtype="<f4").reshape(4, 3, 2))
    array[0, 0, 0], array[1, 1, 1] = np.nan, np.inf
    key = type(next(volumes.records()).key)("other", "s", "-", "x")
    store_content(volumes, nifti_content(key, array, slope=2.0, intercept=-10.0))
    result = run_job(Stats(), store, volumes, RunSettings(where=Where.parse("project=other")))
    (row,) = json.loads(result.outputs["stats.json"])
    values = array[np.isfinite(array)].astype(float) * 2 - 10
    assert (row["voxels"], row["not_finite"]) == (22, 2)
    assert (row["minimum"], row["maximum"]) == (values.min(), values.max())
    edges, counts = row["histogram"]["edges"], row["histogram"]["counts"]
    assert counts == np.histogram(values, edges)[0].tolist()
    assert len(counts) <= 64


def test_partials_serve_another_grouping_without_being_made_again(table):
    store, volumes = table
    whole = run_job(Stats(), store, volumes, RunSettings(workers=1))
    again = run_job(Stats(by="session"), store, volumes, RunSettings(workers=1))
    assert again.report["volumes"]["current"] == 5
    assert len(json.loads(again.outputs["stats.json"])) == 5
    assert json.loads(whole.outputs["stats.json"])[0]["volumes"] == 5


def test_bad_settings_are_refused():
    with pytest.raises(ParameterError, match="workers"):
        RunSettings(workers=-1)
    with pytest.raises(ParameterError, match="padding"):
        RunSettings(pad_to_s=float("nan"))
    with pytest.raises(RowKeyError, match="label"):
        RunSettings(result_name="a/b")


def test_padding_lengthens_every_volume(table):
    store, volumes = table
    result = run_job(Compress(), store, volumes, RunSettings(workers=1, pad_to_s=0.5, where=Where.parse("*/sub-000")))
    assert result.report["wall_clock_s"] >= 2 * 0.5
