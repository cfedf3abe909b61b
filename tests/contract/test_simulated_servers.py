"""Stores on one machine with named servers: regions on them, tasks near their data or delayed by a link."""

from __future__ import annotations

from itertools import pairwise

import pytest
from trouble_jobs import Trouble

from hbimg.errors import ParameterError, TableFormatError
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.mapreduce.splits import Split
from hbimg.mapreduce.waiting import WaitingSplits
from hbimg.rowkeys import KeyRange
from hbimg.store import TableSettings, open_store
from hbimg.store.memory import MemoryStore
from hbimg.store.simulated import PlacedRegion, SimulatedServer
from hbimg.testing.volumes import store_volumes
from hbimg.volumes import VolumeTable

#: Bytes of one of the made-up volumes, and a link that takes a tenth of a second for it.
VOLUME_BYTES = 352 + 16 * 12 * 5 * 2
LINK_BYTES_PER_S = 10 * VOLUME_BYTES
SERVERS = f"servers=slow:1,fast:2&link_bytes_per_s={LINK_BYTES_PER_S}"
CUTS = (b"made,sub-001", b"made,sub-002")


@pytest.fixture
def simulated(tmp_path):
    """An embedded store with servers and 6 volumes in table ``v``: two each in three regions."""
    url = f"local://{tmp_path}/simulated?{SERVERS}"
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "v", splits=CUTS), 6)
    return url


def place(url, *servers):
    with open_store(url) as store:
        table = store.table("v")
        table.place_regions([PlacedRegion(start, s, s) for start, s in zip((b"", *CUTS), servers, strict=True)])


def run(url, **settings):
    with open_store(url) as store:
        job = Trouble(**settings.pop("job", {}))
        return run_job(job, store, VolumeTable.open(store, "v"), RunSettings(**settings)).report


def test_the_url_of_a_store_opens_it_again_with_its_servers(tmp_path):
    with open_store(f"local://{tmp_path}/a%20b?wait_s=5&{SERVERS}") as store, open_store(store.url) as again:
        assert again.servers == store.servers
        assert [server.slots for server in again.servers] == [1, 2]
        assert {server.link_bytes_per_s for server in again.servers} == {LINK_BYTES_PER_S}


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_regions_of_a_new_table_are_in_turn_on_all_servers(tmp_path, kind):
    servers = (SimulatedServer("x", 1), SimulatedServer("y", 1))
    with open_store(f"local://{tmp_path}/s?servers=x:1,y:1") if kind == "local" else MemoryStore(servers=servers) as s:
        table = s.create_table("t", TableSettings(split_points=(b"b", b"c")))
        assert [(r.range.start, r.server) for r in table.regions()] == [(b"", "x"), (b"b", "y"), (b"c", "x")]
        table.place_regions([PlacedRegion(b"", "y", "x"), PlacedRegion(b"k", "x", "x")])
        assert [(r.range, r.server) for r in table.regions()] == [
            (KeyRange(b"", b"k"), "y"),
            (KeyRange(b"k", b""), "x"),
        ]
        if kind == "memory":
            return
    # It stands in the table; and a server that is gone leaves its regions to the others, but not its bytes.
    with open_store(f"local://{tmp_path}/s?servers=x:1") as store:
        placed = store.table("t").placed_regions()
        assert placed == [PlacedRegion(b"", "x", "x"), PlacedRegion(b"k", "x", "x")]
        store.table("t").save_layout(b"[{}]")
        with pytest.raises(TableFormatError, match="damaged layout"):
            store.table("t").regions()
    with open_store(f"local://{tmp_path}/s") as store:
        store.table("t").place_regions(placed)
        assert {region.server for region in store.table("t").regions()} == {"localhost"}


def test_every_volume_is_worked_on_where_it_lies(simulated):
    place(simulated, "slow", "fast", "fast")
    report = run(simulated, stealing=False)
    assert report["volumes"]["done"] == 6
    assert report["bytes"]["input_remote"] == 0
    assert {(task["host"], task["local"]) for task in report["tasks"]} == {("slow", True), ("fast", True)}
    hosts = {task["volume"].split("/")[1]: task["host"] for task in report["tasks"]}
    assert [hosts[f"sub-{n:03}"] for n in range(3)] == ["slow", "fast", "fast"]


def test_what_is_stolen_is_remote_and_waits_for_the_link(simulated):
    place(simulated, "slow", "slow", "slow")
    report = run(simulated, job={"seconds": 0.3})
    remote = [task for task in report["tasks"] if not task["local"]]
    assert {task["host"] for task in remote} == {"fast"}
    assert report["bytes"]["input_remote"] == sum(task["input_bytes"] for task in remote) > 0
    # It may wait longer, where another transfer has the link, but never shorter.
    assert all(task["read_seconds"] >= task["input_bytes"] / LINK_BYTES_PER_S for task in remote)


def test_a_link_serves_one_transfer_after_the_other(simulated):
    place(simulated, "slow", "slow", "slow")
    report = run(simulated, job={"seconds": 0.3})
    remote = sorted(task["end_s"] for task in report["tasks"] if not task["local"])
    moved = [task["output_bytes"] for task in report["tasks"] if not task["local"]]
    # The results go back through the same link before they count, so ends are that far apart.
    assert all(b - a >= min(moved) / LINK_BYTES_PER_S - 0.05 for a, b in pairwise(remote))


def test_without_stealing_the_others_stand_idle(simulated):
    place(simulated, "slow", "slow", "slow")
    report = run(simulated, stealing=False)
    assert {task["host"] for task in report["tasks"]} == {"slow"}
    assert report["volumes"]["done"] == 6


def test_a_worker_that_dies_is_replaced_on_its_server(simulated):
    place(simulated, "slow", "fast", "fast")
    report = run(simulated, job={"on": "sub-001/ses-0/T1w", "how": "exit"}, stealing=False)
    assert report["volumes"] == {"done": 5, "current": 0, "skipped": 0, "failed": 1}


def test_the_slots_decide_how_many_workers_there_are(simulated):
    with pytest.raises(ParameterError, match="3 slots"):
        run(simulated, workers=2)
    assert run(simulated, workers=3)["volumes"]["done"] == 6


def test_waiting_splits_of_a_server_that_no_worker_has_are_for_all():
    splits = [Split(KeyRange(), server, (n,), 1) for n, server in enumerate(["a", "gone", "b", "b"])]
    waiting = WaitingSplits(splits, ["a", "b"], stealing=False)
    assert [waiting.take("a") for _ in range(3)] == [(0,), (1,), ()]
    assert waiting.own("b") == 2
    assert not waiting.can_take("a")
    waiting.put_back("b", (9,))
    assert [waiting.take("b") for _ in range(4)] == [(9,), (2,), (3,), ()]
    assert len(waiting) == 0


def test_the_command_line_says_what_is_local_and_remote(simulated, capfd):
    from hbimg.cli import cli

    place(simulated, "slow", "fast", "fast")
    cli(["run", "compress", "--table", "v", "--store", simulated, "--no-stealing"], standalone_mode=False)
    text = capfd.readouterr().err
    assert "other hosts 0.0 MB" in text
    assert "fast 0" in text or "fast 1" in text  # the other one may have come too late to get any
    assert "slow 0" in text
