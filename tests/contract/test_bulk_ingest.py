"""Ingests in HBase's bulk mode: volumes share a flush, and none is seen before all of it was proved to be in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hbimg.ingest import pipeline
from hbimg.ingest.keys import KeyRules
from hbimg.ingest.planned import IngestOptions, Target
from hbimg.ingest.workers import Pool
from hbimg.rowkeys import RowKeyScheme
from hbimg.store import open_store
from hbimg.testing.pausing import WriterKilled, dead_process
from hbimg.testing.volumes import nifti_bytes_of, smooth_voxels
from hbimg.volumes import VolumeReader, VolumeTable
from hbimg.volumes.verify import orphans
from tests.contract.fake_rpc import Thrown, fake_cluster

COUNT = 7


@pytest.fixture
def hbase():
    with fake_cluster() as cluster:
        yield cluster


@pytest.fixture
def volumes(hbase, monkeypatch):
    """A table of two regions; three of the volumes below are worth a flush."""
    monkeypatch.setattr("hbimg.store.rpc.store.GATHERED_BYTES", 3 * len(nifti(0)))
    with open_store(url_of(hbase, "skip_wal")) as store:
        yield VolumeTable.create(store, "t", splits=(RowKeyScheme().range_of("t", "s2").start,))


@pytest.fixture
def folder(tmp_path):
    for number in range(COUNT):
        place = tmp_path / f"s{number}"
        place.mkdir()
        (place / "T1w.nii").write_bytes(nifti(number))
    return tmp_path


def url_of(hbase, durability: str) -> str:
    ports = ",".join(str(server.port) for server in hbase.servers)
    return f"hbase://127.0.0.1?client=rpc&rpc_ports={ports}&durability={durability}&wait_s=2"


def nifti(number: int) -> bytes:
    return nifti_bytes_of(smooth_voxels((9, 8, 5), seed=number))


def move(hbase):
    hbase.move("t", RowKeyScheme().range_of("t", "s5").start)


def kill_and_move(hbase):
    """The server of the second region dies; the region is opened on the other one."""
    dead = hbase.servers.pop(1)
    for region in hbase.tables["t"].regions:
        region.server = hbase.servers[0]
    dead.kill()


def ingest(volumes: VolumeTable, folder: Path, *, replace: bool = False):
    options = IngestOptions(KeyRules(default_project="t", pattern="{subject}/{scan}.nii"), replace=replace)
    with Pool(1) as pool:
        planned, others = pipeline.plan([folder], options, pool, lambda *_: None)
        assert not others
        return list(pipeline.ingest(Target(volumes, None), planned, options, pool, lambda *_: None))


def seen(volumes: VolumeTable) -> dict[str, bytes]:
    """Every visible volume's file, whole."""
    return {
        record.key.subject: b"".join(b"".join(pieces) for _, pieces in VolumeReader(volumes, record).originals())
        for record in volumes.records()
    }


def everything() -> dict[str, bytes]:
    return {f"s{number}": nifti(number) for number in range(COUNT)}


def test_volumes_share_a_flush_and_none_is_seen_before(hbase, volumes, folder):
    visible = []

    def before(server, method, request):
        if method == "FlushRegion":
            rows = hbase.tables["t"].rows.values()
            visible.append(sum((b"m", b"volume") in cells for cells in rows))

    hbase.before = before
    hbase.calls.clear()
    assert [outcome.outcome for outcome in ingest(volumes, folder)] == ["stored"] * COUNT
    # Groups of three, three and one; the first lies in both regions.
    assert sorted(visible) == [0, 0, 3, 6]
    assert seen(volumes) == everything()
    hbase.calls.clear()
    assert [outcome.outcome for outcome in ingest(volumes, folder)] == ["present"] * COUNT
    assert "FlushRegion" not in hbase.calls


def test_with_the_log_each_volume_is_seen_at_once(hbase, folder):
    with open_store(url_of(hbase, "default")) as store:
        volumes = VolumeTable.create(store, "t")
        seen_at = []

        def before(server, method, request):
            if method == "Multi":
                seen_at.append(sum((b"m", b"volume") in cells for cells in hbase.tables["t"].rows.values()))

        hbase.before = before
        ingest(volumes, folder)
        assert sorted(set(seen_at)) == list(range(COUNT))
        assert "FlushRegion" not in hbase.calls


@pytest.mark.parametrize("ends", [False, True], ids=["region moved", "server killed"])
def test_a_server_that_ends_takes_all_volumes_that_were_not_complete(hbase, volumes, folder, ends):
    """The second group's, and later ones; those of the first are complete. The next run puts it right."""
    flushes, done = [], []

    def before(server, method, request):
        flushes.extend([method] if method == "FlushRegion" else [])
        if len(flushes) == 3 and not done:
            done.append(1)
            (kill_and_move if ends else move)(hbase)

    hbase.before = before
    with dead_process():
        outcomes = ingest(volumes, folder)
    told = {outcome.key.split("/")[1]: outcome for outcome in outcomes}
    if not ends:  # HBase flushes a region before it moves it
        assert {outcome.outcome for outcome in outcomes} == {"stored"}
    else:
        assert [told[f"s{number}"].outcome for number in range(COUNT)] == ["stored"] * 3 + ["refused"] * 4
        assert all("run the same command again" in told[f"s{number}"].reason for number in range(3, COUNT))
    whole = everything()
    stored = {subject for subject, outcome in told.items() if outcome.outcome == "stored"}
    assert seen(volumes) == {subject: whole[subject] for subject in stored}
    with open_store(url_of(hbase, "skip_wal")) as store:
        again = VolumeTable.open(store, "t")
        ingest(again, folder)
        assert seen(again) == whole
        assert list(orphans(again)) == []


@pytest.mark.parametrize("flush", [1, 2, 3])
def test_a_writer_that_is_killed_at_a_flush_shows_nothing_of_its_group(hbase, volumes, folder, monkeypatch, flush):
    from hbimg.store.rpc import unlogged

    prove, proofs = unlogged.UnloggedWrites.prove, []

    def killed(self):
        proofs.append(1 if self._written else 0)
        if sum(proofs) == flush:
            raise WriterKilled
        prove(self)

    monkeypatch.setattr(unlogged.UnloggedWrites, "prove", killed)
    monkeypatch.setattr("hbimg.volumes.claims.Claim.abandon", lambda self: None)  # the dead do nothing more
    with dead_process(), pytest.raises(WriterKilled):
        ingest(volumes, folder)
    monkeypatch.undo()
    whole = everything()
    assert seen(volumes) == {f"s{number}": whole[f"s{number}"] for number in range(3 * (flush - 1))}
    ingest(volumes, folder)
    assert seen(volumes) == whole
    assert list(orphans(volumes)) == []


def test_a_bad_volume_costs_that_one_only(hbase, volumes, folder):
    """It is refused while its group waits; what it had written goes."""
    path = folder / "s1" / "T1w.nii"
    planned_of = pipeline.plan

    def plan_and_spoil(*arguments):
        found = planned_of(*arguments)
        path.write_bytes(path.read_bytes()[:-10])
        return found

    pipeline.plan = plan_and_spoil
    try:
        outcomes = ingest(volumes, folder)
    finally:
        pipeline.plan = planned_of
    assert sorted(outcome.outcome for outcome in outcomes) == ["refused"] + ["stored"] * (COUNT - 1)
    whole = everything()
    del whole["s1"]
    assert seen(volumes) == whole
    assert list(orphans(volumes)) == []


def test_volumes_of_one_key_see_each_other(hbase, volumes, tmp_path):
    """The second is written when the first is complete: the same content is present, other content is refused."""
    for name, number in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "s1.nii").write_bytes(nifti(number))
    rules = KeyRules(default_project="t", pattern="*/{subject}.nii")
    with Pool(1) as pool:
        planned, _ = pipeline.plan([tmp_path], IngestOptions(rules), pool, lambda *_: None)
        outcomes = list(pipeline.ingest(Target(volumes, None), planned, IngestOptions(rules), pool, lambda *_: None))
    assert [outcome.outcome for outcome in outcomes] == ["stored", "present", "refused"]


def test_a_store_that_fails_as_a_whole_ends_the_ingest(hbase, volumes, folder):
    def before(server, method, request):
        if method == "FlushRegion":
            raise Thrown("DoNotRetryIOException", "the disk is gone", final=True)

    hbase.before = before
    with dead_process():
        outcomes = ingest(volumes, folder)
    assert {outcome.outcome for outcome in outcomes} == {"refused"}
    assert seen(volumes) == {}
    hbase.before = lambda *_: None
    ingest(volumes, folder)
    assert seen(volumes) == everything()
