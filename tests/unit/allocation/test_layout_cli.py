"""`hbimg layout` and `hbimg ingest --layout auto` as a user sees them, on an embedded store with servers."""

from __future__ import annotations

import gzip
import json

import pytest
from click.testing import CliRunner

from hbimg.allocation.history import with_slots
from hbimg.allocation.layout import Layout, Server
from hbimg.allocation.plan_file import StoredPlan
from hbimg.cli import cli
from hbimg.cli.layout_inputs import as_planned
from hbimg.errors import ConfigError, HbimgError, TableNotFoundError
from hbimg.model import VolumeKey
from hbimg.store import open_store
from hbimg.testing.volumes import nifti_bytes_of, nifti_content, smooth_voxels, store_volumes
from hbimg.volumes import VolumeTable, store_content

SERVERS = "servers=slow1:1,slow2:1,fast:3"


@pytest.fixture
def url(tmp_path, monkeypatch):
    """An embedded store with 40 volumes in table t1, and the folder of the test as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HBIMG_CONFIG", str(tmp_path / "config.toml"))
    url = f"local://{tmp_path}/store?{SERVERS}"
    monkeypatch.setenv("HBIMG_STORE", url)
    with open_store(url) as store:
        store_volumes(VolumeTable.create(store, "t1"), 40, (32, 32, 8))
    return url


def hbimg(*arguments, **more):
    """Run a command; errors of ours come out as they are."""
    result = CliRunner().invoke(cli, ["layout", *arguments], **more)
    if isinstance(result.exception, HbimgError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_plan_apply_status_rollback(url, tmp_path):
    planned = hbimg("plan", "--table", "t1", "--figure", "planks")
    assert "this plan" in planned.stdout
    assert "HBase's own" in planned.stdout
    assert "60.00 %" in planned.stdout
    assert (tmp_path / "planks.png").exists()
    dry = hbimg("apply", "--table", "t1", "--plan", "t1.layout.toml", "--dry-run")
    assert dry.stdout.splitlines()[0].startswith("cut region (first) at made,sub-0")
    applied = json.loads(hbimg("apply", "--table", "t1", "--plan", "t1.layout.toml", "--json").stdout)
    assert applied["state"] == "applied"
    assert applied["steps"] == dry.stdout.splitlines()
    with open_store(url) as store:
        assert [region.server for region in store.table("t1").regions()] == ["fast", "slow1", "slow2"]
    status = hbimg("status", "--table", "t1", "--png", "now")
    assert "all is as it was planned" in status.stderr
    assert (tmp_path / "now-servers.png").exists()
    assert (tmp_path / "now-regions.png").exists()
    again = hbimg("apply", "--table", "t1", "--dry-run")
    assert again.stdout == ""
    assert "nothing to do" in again.stderr
    assert len(json.loads(hbimg("rollback", "--table", "t1", "--dry-run", "--json").stdout)["steps"]) == 4
    hbimg("rollback", "--table", "t1")
    with open_store(url) as store:
        assert len(store.table("t1").regions()) == 1
    with pytest.raises(ConfigError, match="nothing to roll back"):
        hbimg("rollback", "--table", "t1")


def test_status_tells_of_a_server_that_died_and_of_a_new_one(url, tmp_path, monkeypatch):
    hbimg("plan", "--table", "t1")
    hbimg("apply", "--table", "t1", "--plan", "t1.layout.toml")
    monkeypatch.setenv("HBIMG_STORE", f"local://{tmp_path}/store?servers=slow1:1,fast:3,new:2")
    found = json.loads(hbimg("status", "--table", "t1", "--json").stdout)
    assert any(words.startswith("server new is new: the plan does not use it") for words in found["drift"])
    assert any("slow2 is not up" in words for words in found["drift"])
    assert found["due"]
    with pytest.raises(ConfigError, match="'slow2', which is not up"):
        hbimg("apply", "--table", "t1")
    plan = json.loads(hbimg("plan", "--table", "t1", "-o", "new.toml", "--json").stdout)
    # A fifth of it is on the new server since the other died, and a third is its share: the rest is moved, no more.
    total = sum(region["size_bytes"] for region in plan["regions"])
    assert plan["moved_bytes"] / total == pytest.approx(1 / 3 - 1 / 5, abs=0.02)
    hbimg("apply", "--table", "t1", "--plan", "new.toml")
    assert json.loads(hbimg("status", "--table", "t1", "--json").stdout)["drift"] == []


def test_a_server_that_was_left_out_on_purpose_is_not_told_as_new(url):
    hbimg("plan", "--table", "t1", "--server", "fast=3", "--server", "slow1=1")
    hbimg("apply", "--table", "t1", "--plan", "t1.layout.toml")
    found = hbimg("status", "--table", "t1")
    assert "all is as it was planned" in found.stderr
    assert "slow2" in found.stdout


def test_a_table_that_has_grown_is_due_to_be_planned_anew(url):
    hbimg("plan", "--table", "t1")
    hbimg("apply", "--table", "t1", "--plan", "t1.layout.toml")
    with open_store(url) as store:
        volumes = VolumeTable.open(store, "t1")
        for n in range(20):
            key = VolumeKey("made", f"sub-{20 + n // 2:03d}", f"ses-{n % 2}", "T1w")
            store_content(volumes, nifti_content(key, smooth_voxels((32, 32, 8), seed=n)))
    said = hbimg("status", "--table", "t1").stderr
    assert "due: the table has grown by 50% since it was planned" in said
    assert "make a new plan, `hbimg layout plan --table t1`, and apply it" in said


def test_speeds_that_the_store_does_not_tell_are_those_of_the_last_plan():
    layout = Layout((b"", b"p,s1"), ("w1", "w3"))
    plan = StoredPlan("t1", "subject", (Server("w1", 2), Server("w2", 4), Server("w3", 12, 1.5)), layout)
    servers, guessed = as_planned([Server("w1", 1), Server("w3", 1), Server("w4", 1)], plan)
    assert servers == (Server("w1", 2), Server("w3", 12, 1.5), Server("w4", 1))
    assert guessed == ("w4",)


def test_a_table_that_is_not_there_is_planned_from_sizes_and_made(url, tmp_path):
    items = [{"outcome": "planned", "key": f"p/s{n}/1/T1w", "size_bytes": 100} for n in range(20)]
    (tmp_path / "sizes.json").write_text(json.dumps({"items": [*items, {"outcome": "refused", "key": ""}]}))
    hbimg("plan", "--table", "new", "--sizes", "sizes.json", "--server", "fast=3", "--server", "slow1=1")
    assert "make table new" in hbimg("apply", "--table", "new", "--plan", "new.layout.toml", "--dry-run").stdout
    hbimg("apply", "--table", "new", "--plan", "new.layout.toml")
    with open_store(url) as store:
        table = store.table("new")
        assert {region.server for region in table.regions()} == {"fast", "slow1"}
        assert table.settings.attributes["SPLIT_ENABLED"] == "false"
        assert all(region.home == region.server for region in table.placed_regions())


def test_past_runs_say_how_fast_the_servers_are(url):
    hbimg("plan", "--table", "t1")
    hbimg("apply", "--table", "t1", "--plan", "t1.layout.toml")
    assert CliRunner().invoke(cli, ["run", "compress", "--table", "t1", "--no-stealing"]).exit_code == 0
    with open_store(url) as store:
        from hbimg.volumes import runs

        (run,) = runs(VolumeTable.open(store, "t1"))
    plan = json.loads(hbimg("plan", "--table", "t1", "--from-run", run["id"], "--json").stdout)
    assert plan["work"] == "seconds"
    assert {server["factor"] for server in plan["servers"]} != {1.0}


def test_a_run_tells_the_slots_of_servers_that_nobody_described():
    report = {"slots": [{"host": host, "slot": str(n)} for host, count in (("w1", 1), ("w3", 3)) for n in range(count)]}
    servers = with_slots([Server("w1", 1), Server("w2", 1), Server("w3", 1)], [report, {"slots": report["slots"][1:]}])
    assert servers == (Server("w1", 1), Server("w2", 1), Server("w3", 3))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["apply", "--table", "t1"], ConfigError, "has no plan yet"),
        (["apply", "--table", "t1", "--plan", "gone.toml"], ConfigError, "cannot read the plan gone.toml"),
        (["apply", "--table", "none"], TableNotFoundError, "no table 'none'"),
        (["plan", "--table", "none"], TableNotFoundError, "no table 'none'"),
        (["plan", "--table", "t1", "--server", "a"], ConfigError, "write NAME=CORES"),
        (["plan", "--table", "t1", "--server", "a=1", "--cluster", "x.toml"], ConfigError, "either"),
        (["plan", "--table", "t1", "--sizes", "x.json"], ConfigError, "is there already"),
        (["plan", "--table", "x", "--sizes", "x.json"], ConfigError, "cannot read x.json"),
        (["plan", "--table", "x", "--sizes", "broken.json"], ConfigError, "not what `hbimg ingest"),
        (["plan", "--table", "t1", "-o", "no/such/folder"], HbimgError, "cannot write"),
        (["rollback", "--table", "t1"], ConfigError, "nothing to roll back"),
        (["status", "--table", "none"], TableNotFoundError, "no table 'none'"),
    ],
)
def test_bad_input_is_one_line(url, tmp_path, arguments, error, words):
    (tmp_path / "broken.json").write_text("[1]")
    with pytest.raises(error, match=words) as caught:
        hbimg(*arguments)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_up_is_remarked_on(url):
    said = hbimg("plan", "--table", "t1", "--server", "fast=3", "--server", "slwo1=1").stderr
    assert "server slwo1 is not up now; up are slow1, slow2, fast" in said


def test_a_plan_of_another_table_makes_no_table(url):
    hbimg("plan", "--table", "t1")
    with pytest.raises(ConfigError, match="for table 't1', not for 'other'"):
        hbimg("apply", "--table", "other", "--plan", "t1.layout.toml")
    with open_store(url) as store:
        assert store.tables() == ["t1"]


@pytest.fixture
def study(tmp_path):
    """Twelve subjects with one volume each; the first four are twice as large."""
    for number in range(12):
        folder = tmp_path / "study" / f"sub-{number:02}"
        folder.mkdir(parents=True)
        data = nifti_bytes_of(smooth_voxels((16, 16, 20 if number < 4 else 10), seed=number))
        (folder / "T1w.nii.gz").write_bytes(gzip.compress(data, mtime=0))
    return tmp_path / "study"


def ingest(*arguments):
    return CliRunner().invoke(cli, ["ingest", *map(str, arguments), "--pattern", "{subject}/{scan}.nii.gz"])


def test_ingest_lays_the_table_out_before_it_stores(url, study):
    result = ingest(study, "--table", "auto", "--layout", "auto", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(hbimg("status", "--table", "auto", "--json").stdout)
    shares = {server["name"]: server["share"] for server in found["servers"]}
    # Stored bytes decide, not those of the gzipped files: 16 units, of which 5 parts make 3.2 each.
    assert shares["fast"] == pytest.approx(0.6, abs=0.07)
    assert {server["locality"] for server in found["servers"]} == {1.0}
    assert found["drift"] == []
    # Once more: what is there keeps its plan, what is new goes into its regions.
    again = ingest(study, "--table", "auto", "--layout", "auto")
    assert "has a plan" in again.stderr
    assert again.exit_code == 0
    with open_store(url) as store:
        assert len(list(VolumeTable.open(store, "auto").records())) == 12


def test_an_ingest_that_was_killed_before_the_layout_stood_finishes_it(url, study):
    with open_store(url) as store:
        VolumeTable.create(store, "auto")
    assert ingest(study, "--table", "auto", "--layout", "auto").exit_code == 0
    assert json.loads(hbimg("status", "--table", "auto", "--json").stdout)["state"] == "applied"


def test_ingest_refuses_a_layout_for_volumes_without_one(url, study):
    result = ingest(study, "--table", "t1", "--layout", "auto")
    assert isinstance(result.exception, ConfigError)
    assert "has volumes and no plan" in str(result.exception)
    result = ingest(study, "--table", "x", "--server", "a=1")
    assert "give --layout auto" in str(result.exception)
