"""What a map and a reduce task do, without Hadoop: over an embedded store, fed with splits as HBase makes them."""

from __future__ import annotations

import json
import py_compile
import shutil
import subprocess
import sys
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.jobs.stats import Stats
from hbimg.mapreduce.outcomes import State
from hbimg.mapreduce.registry import class_path
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.mapreduce.splits import plan_splits
from hbimg.mapreduce.yarn.gather import Gathered, lanes_of, with_lanes
from hbimg.mapreduce.yarn.order import ORDER, VOLUMES, Order, listed_volumes, volumes_file
from hbimg.mapreduce.yarn.packing import Package, code_package
from hbimg.mapreduce.yarn.scans import parse_table_split
from hbimg.mapreduce.yarn.task import MapTask, ReduceTask, network_bytes, partition_of
from hbimg.rowkeys import KeyRange
from hbimg.store import open_store
from hbimg.testing.volumes import store_volumes
from hbimg.volumes import VolumeTable, Where, ask_to_stop, entries, read_artefact


def vint(value):
    """Hadoop's variable-length integer, as it is written."""
    if -112 <= value <= 127:
        return bytes([value & 0xFF])
    sign, value = (-120, ~value) if value < 0 else (-112, value)
    size = (value.bit_length() + 7) // 8
    return bytes([(sign - size) & 0xFF]) + value.to_bytes(size, "big")


def raw_split(table, key_range, host):
    """A TableSplit as HBase 2 serializes it: version -2, then byte arrays with their lengths."""
    texts = [table.encode(), key_range.start, key_range.stop, host.encode()]
    return vint(-2) + b"".join(vint(len(text)) + text for text in texts) + vint(0)


@given(st.text("ab:_", min_size=1), st.binary(max_size=300), st.binary(max_size=300), st.text("w1.", max_size=200))
def test_a_split_is_read_back(table, start, stop, host):
    split = parse_table_split(raw_split(table, KeyRange(start, stop), host))
    assert (split.table, split.range, split.host) == (table, KeyRange(start, stop), host)


@pytest.fixture
def table(tmp_path):
    with open_store(f"local://{tmp_path}/store") as store:
        volumes = VolumeTable.create(store, "t")
        store_volumes(volumes, 8)
        yield store, volumes


def folder_of(tmp_path, volumes, job, store, name="task", **more):
    folder = tmp_path / name
    folder.mkdir()
    order = Order(class_path(type(job)), job.parameters(), store.url, "t", job.name, "20260801T120000-1a2b3c", **more)
    (folder / ORDER).write_bytes(order.to_json())
    (folder / VOLUMES).write_bytes(volumes_file(volumes.records(), volumes.scheme))
    return folder


def run_maps(volumes, folder, split_bytes=1):
    """The records of all map tasks, and the tasks."""
    splits = plan_splits(volumes.records(), volumes.table.regions(), volumes.scheme, split_bytes)
    found = []
    for number, split in enumerate(splits):
        task = MapTask(raw_split("t", split.range, "w1"), f"attempt_{number}", folder)
        found += task.records()
        assert task.progress == 1
        assert task.status.startswith(f"{task.done} of {task.done} volumes")
    return splits, found


def artefacts(volumes, name):
    return {
        (str(record.key), item.name): b"".join(read_artefact(volumes, manifest, item))
        for record, manifests in entries(volumes)
        for manifest in manifests
        if manifest.name == name
        for item in manifest.artefacts
    }


def test_maps_make_what_the_local_engine_makes(table, tmp_path):
    store, volumes = table
    splits, records = run_maps(volumes, folder_of(tmp_path, volumes, Compress(), store))
    assert len(splits) == 4  # one per subject
    by_maps = artefacts(volumes, "compress")
    run_job(Compress(), store, volumes, RunSettings(workers=1, force=True))
    assert by_maps == artefacts(volumes, "compress")
    assert len(by_maps) == 8
    gathered = Gathered()
    for _, value in records:
        gathered.add(json.loads(value))
    assert {outcome.state for outcome in gathered.outcomes.values()} == {State.DONE}
    assert len(gathered.tasks) == 4


def test_a_task_that_runs_twice_leaves_one_result_and_tells_it(table, tmp_path):
    store, volumes = table
    folder = folder_of(tmp_path, volumes, Compress(), store)
    run_maps(volumes, folder)
    before = artefacts(volumes, "compress")
    _, again = run_maps(volumes, folder)
    assert artefacts(volumes, "compress") == before
    states = [json.loads(value)["outcome"]["state"] for _, value in again if "outcome" in json.loads(value)]
    assert states == ["done"] * 8


@pytest.mark.parametrize("reducers", [1, 3])
def test_reducers_give_the_bytes_of_the_local_engine(table, tmp_path, reducers):
    store, volumes = table
    job = Stats(by="subject")
    folder = folder_of(tmp_path, volumes, job, store)
    _, records = run_maps(volumes, folder)
    groups = {}
    for number in range(reducers):
        mine = sorted(record for record in records if partition_of(record[0], reducers) == number)
        reducer, out = ReduceTask(folder), []
        for key, same in groupby(mine, key=lambda record: record[0]):
            for _, value in same:
                out += reducer.take(key, value)
        out += reducer.end()
        gathered = Gathered()
        for _, value in out:
            gathered.add(json.loads(value))
        assert not groups.keys() & gathered.groups.keys()
        groups |= gathered.groups
    made = {item.name: b"".join(item.pieces).decode() for item in job.finalize(dict(sorted(groups.items())))}
    assert made == run_job(job, store, volumes, RunSettings(workers=1)).outputs
    assert len(groups) == 4


def test_a_run_that_is_asked_to_stop_stops(table, tmp_path):
    store, volumes = table
    folder = folder_of(tmp_path, volumes, Compress(), store)
    ask_to_stop(volumes, "20260801T120000-1a2b3c")
    splits = plan_splits(volumes.records(), volumes.table.regions(), volumes.scheme, 10**9)
    records = list(MapTask(raw_split("t", splits[0].range, "w1"), "attempt_0", folder).records())
    assert [json.loads(value).keys() for _, value in records] == [{"task"}]
    assert not artefacts(volumes, "compress")


def test_only_listed_volumes_are_read(table, tmp_path):
    store, volumes = table
    folder = folder_of(tmp_path, volumes, Compress(), store)
    chosen = list(volumes.records(Where.parse("session=ses-1")))
    (folder / VOLUMES).write_bytes(volumes_file(chosen, volumes.scheme))
    run_maps(volumes, folder)
    assert {key.split("/")[2] for key, _ in artefacts(volumes, "compress")} == {"ses-1"}


@given(st.sets(st.integers(0, 60), min_size=1), st.lists(st.integers(0, 61), max_size=8))
def test_every_listed_volume_is_in_exactly_one_range(tmp_path_factory, numbers, cuts):
    folder = tmp_path_factory.mktemp("list")
    rows = [f"made,sub-{number:03d}!ses,T1w,".encode() for number in sorted(numbers)]
    (folder / VOLUMES).write_bytes(b"".join(row + b"\t5\n" for row in rows))
    edges = [b"", *sorted({f"made,sub-{cut:03d}!".encode() for cut in cuts}), b""]
    found = []
    for start, stop in pairwise(edges):
        found += [listed.row for listed in listed_volumes(folder, KeyRange(start, stop))]
    assert found == rows


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.sampled_from("ab")), max_size=30))
def test_tasks_in_a_lane_do_not_overlap(spans):
    tasks = {
        f"t{n}": {"host": host, "start_s": start, "end_s": start + length}
        for n, (start, length, host) in enumerate(spans)
    }
    lanes = lanes_of(tasks)
    for n, (start, length, host) in enumerate(spans):
        for m, (start2, length2, host2) in enumerate(spans):
            if n < m and host == host2 and lanes[f"t{n}"] == lanes[f"t{m}"]:
                assert start + length <= start2 or start2 + length2 <= start


def test_outcomes_get_lanes(table, tmp_path):
    store, volumes = table
    _, records = run_maps(volumes, folder_of(tmp_path, volumes, Compress(), store))
    gathered = Gathered()
    for _, value in records:
        gathered.add(json.loads(value))
    outcomes = with_lanes(gathered)
    assert {outcome.slot for outcome in outcomes} == {"0"}  # one after the other
    assert {outcome.task for outcome in outcomes} == {f"attempt_{n}" for n in range(4)}


def test_network_interfaces_are_counted():
    counted = network_bytes()
    assert "lo" not in counted
    assert all(len(numbers) == 2 for numbers in counted.values())


def test_code_travels_under_its_content(tmp_path, monkeypatch):
    (tmp_path / "my_yarn_job.py").write_text("import my_yarn_helper\n")
    (tmp_path / "my_yarn_helper.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("my_yarn_job")
    package = code_package("my_yarn_job")
    names = [name for name, _ in package.files]
    assert {"my_yarn_job.py", "my_yarn_helper.py", "hbimg/mapreduce/pydoop_adapter.py"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]
    assert code_package("my_yarn_job").name == package.name
    (tmp_path / "my_yarn_helper.py").write_text("X = 2\n")
    assert code_package("my_yarn_job").name != package.name
    assert len(code_package("hbimg.mapreduce.jobs.compress").files) < len(names)
    sys.modules.pop("my_yarn_job"), sys.modules.pop("my_yarn_helper")


@pytest.mark.parametrize("name", ["modules.zip", "modules.tar.gz"])
def test_modules_travel_with_their_bytecode(tmp_path, name):
    """A task, which may write nothing where they lie, compiles none of them, not even when a source is another now."""
    source, unpacked = tmp_path / "source", tmp_path / "unpacked"
    source.mkdir()
    (source / "compiled.py").write_text("X = 'first, as Python keeps it'\n")
    (source / "changed.py").write_text("X = 1\n")
    for module in ("compiled", "changed"):
        py_compile.compile(str(source / f"{module}.py"))
    (source / "changed.py").write_text("X = 'second'\n")
    (source / "template.py").write_text("X = {{ x }}:\n")
    Package(name, tuple((path.name, path) for path in sorted(source.glob("*.py")))).write(tmp_path / name)
    shutil.unpack_archive(tmp_path / name, unpacked)
    for module in ("compiled", "changed"):
        (unpacked / f"{module}.py").write_text("X = 'from source'\n")
    code = "import compiled, changed; print(compiled.X, changed.X, compiled.__file__)"
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=unpacked, capture_output=True, text=True, check=True)
    assert done.stdout == f"first, as Python keeps it second {unpacked}/compiled.py\n"
    assert (unpacked / "template.py").read_text() == "X = {{ x }}:\n"
