"""The embedded store in trouble: full disks, damaged and foreign files, other users, network file systems."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import lmdb
import local_processes as others
import pytest

from hbimg.errors import (
    HbimgError,
    NetworkFileSystemError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StorePermissionError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)
from hbimg.rowkeys import KeyRange
from hbimg.store import Put, TableSettings, filesystem, open_store

spawn = multiprocessing.get_context("spawn")
ALL = KeyRange()


def run(function, *arguments):
    """What a function tells from a spawned process; the exit code if it was killed."""
    outcome = spawn.Queue()
    process = spawn.Process(target=function, args=(*arguments, outcome))
    process.start()
    process.join(60)
    return outcome.get(timeout=10) if process.exitcode == 0 else f"ended with {process.exitcode}"


def folder_of(url):
    return Path(url.removeprefix("local://").split("?")[0])


def contents(table):
    return {row.key: {c: bytes(v) for c, v in row.cells.items()} for row in table.scan(ALL)}


# -- full --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 6 MiB; without the right to mount one, None."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True).returncode == 0
    )
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(table, value=b"x" * 300_000):
    """Write until it is full; give how many batches of two rows stand."""
    batches = 0
    while batches < 1000:
        row = b"%06d" % batches
        try:
            table.put_many(Put(row + half, {b"i:0": value, b"m:q": row}) for half in (b"a", b"b"))
        except StoreFullError as error:
            return batches if "\n" not in str(error) else pytest.fail(str(error))
        batches += 1
    pytest.fail("it never was full")


def check_full_table(store):
    table = store.table("t")
    batches = fill(table)
    assert batches > 2
    rows = [b"%06d" % batch + half for batch in range(batches) for half in (b"a", b"b")]
    assert [row.key for row in table.scan(ALL)] == rows  # all that was said to be written, and no half batch
    table.delete_many(rows[:4])  # even a full store can give up rows
    table.put(b"new", {b"m:q": b""})  # LMDB takes up freed pages one write later, in case that it is undone
    table.put(b"new", {b"i:0": b"y" * 200_000})
    assert sorted([*rows[4:], b"new"]) == [row.key for row in table.scan(ALL)]
    assert table.check_and_put(b"new", b"m:x", None, {b"m:x": b"v"})


def test_full_disk(small_disk, tmp_path):
    if small_disk is None:
        pytest.skip("may not mount a small disk here; test_full_map covers the rest")
    url = f"local://{small_disk}/store"
    (small_disk / "something_else").write_bytes(b"z" * 1_500_000)
    with open_store(url) as store:
        store.create_table("t", TableSettings())
        check_full_table(store)
        table = store.table("t")
        before = contents(table)
        ballast = small_disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"z" * 4096):
                pass
        with pytest.raises(StoreFullError):
            store.create_table("t2", TableSettings())
        with pytest.raises(StoreFullError):
            table.purge()
        assert contents(table) == before
        assert store.tables() == ["t"]
        ballast.unlink()
        (small_disk / "something_else").unlink()
        table.delete_many(list(before)[:-2])
        before = dict(list(before.items())[-2:])
        table.purge()  # needs room for a copy of what lives
        store.create_table("t2", TableSettings()).put(b"row", {b"m:q": b"v"})
        assert contents(table) == before
    with open_store(url) as store:
        assert contents(store.table("t")) == before
        assert [path.name for path in (small_disk / "store").glob(".*")] == []


def test_a_batch_that_is_larger_than_the_disk(small_disk):
    """A large batch takes its room first; where that is not to be had, nothing is lost."""
    if small_disk is None:
        pytest.skip("may not mount a small disk here")
    with open_store(f"local://{small_disk}/store") as store:
        table = store.create_table("t", TableSettings())
        table.put(b"kept", {b"i:0": b"x" * 100_000})
        with pytest.raises(StoreFullError):
            table.put_many(Put(b"row%d" % n, {b"i:0": b"y" * 1_000_000}) for n in range(9))
        table.put_many(Put(b"row%d" % n, {b"i:0": b"z" * 1_000_000}) for n in range(3))
        assert [row.key for row in table.scan(ALL)] == [b"kept", b"row0", b"row1", b"row2"]


def test_large_batches_again_and_again_take_no_more_room(url):
    """Room that was taken ahead and not used, since pages were free, is used by the next batch."""
    sizes = []
    with open_store(url) as store:
        table = store.table("t")
        for _ in range(6):
            table.put_many(Put(b"row%d" % n, {b"i:0": b"y" * 1_000_000}) for n in range(4))
            sizes.append((folder_of(url) / "t/data.mdb").stat().st_size)
        assert sizes[-1] < 4 * 4_200_000
        assert sizes[-1] - sizes[-3] < 100_000
        table.put_many([Put(b"row0", {b"i:0": b"new"})])
        assert dict(contents(table))[b"row0"] == {b"i:0": b"new"}


def test_full_map(tmp_path):
    with open_store(f"local://{tmp_path}/store?map_bytes=6000000") as store:
        store.create_table("t", TableSettings())
        check_full_table(store)
    with open_store(f"local://{tmp_path}/store") as store:  # and a larger map opens it
        store.table("t").put(b"large", {b"i:0": b"z" * 9_000_000})


def test_a_map_that_another_process_outgrew(tmp_path):
    url = f"local://{tmp_path}/store"
    with open_store(f"{url}?map_bytes=2000000") as store:
        store.create_table("t", TableSettings())
        table = store.table("t")
        child = spawn.Process(target=others.write_batches, args=(url, 600))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert (folder_of(url) / "t" / "data.mdb").stat().st_size > 2_000_000
        assert len(list(table.scan(ALL))) == 3000


@pytest.mark.parametrize("gigabytes", [3, 8])
def test_little_address_space(url, gigabytes):
    assert run(others.fill_within_limit, url, gigabytes << 30) == [b"%06d" % row for row in range(5)]


def test_too_little_address_space_is_told(url):
    assert "raise `ulimit -v`" in run(others.fill_within_limit, url, 800 << 20)


# -- damaged and foreign -----------------------------------------------------------------------------------------------


def refuses(url, kind=TableFormatError):
    with pytest.raises(kind) as caught, open_store(url) as store:
        store.table("t")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [b"", b"text, no data base\n" * 3000, b"\0" * 40_000, b"\xff" * 40_000],
    ids=["empty", "text", "zeros", "ones"],
)
def test_damaged_data_file(url, damage):
    (folder_of(url) / "t" / "data.mdb").write_bytes(damage)
    assert "store/t" in refuses(url)
    assert "store/t" in refuses(url)  # and again: the failed opening kept nothing open


def test_data_file_that_was_cut(tmp_path):
    """A page beyond the end of a mapped file kills who touches it, so it must be noticed before."""
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        table = store.create_table("t", TableSettings())
        table.put_many(
            Put(b"%06d" % n, {b"m:q": b"v" * 200, b"i:0": b"x" * 3000, b"h:0": b"x" * 9000}) for n in range(100)
        )
        table.put_many(Put(b"%06d" % n, {b"m:q": b"w" * 300, b"i:0": b"y" * 2500}) for n in range(0, 100, 3))
    whole = (tmp_path / "store/t/data.mdb").read_bytes()
    for eighths in range(8):
        copy = tmp_path / f"cut{eighths}"
        shutil.copytree(tmp_path / "store", copy)
        length = len(whole) * eighths // 8 + 1000
        os.truncate(copy / "t/data.mdb", length)
        with pytest.raises((TableFormatError, StoreError)), open_store(f"local://{copy}") as store:
            contents(store.table("t"))
        assert (copy / "t/data.mdb").stat().st_size == length  # as it was found


def test_file_that_lmdb_left_short_is_sound(tmp_path):
    """Its length alone does not tell that a file was cut, and nothing may be lost."""
    url = f"local://{tmp_path}/store"
    with open_store(url) as store:
        store.create_table("t", TableSettings()).put(b"kept", {b"m:q": b"v"})
    length = others.leave_short(f"{tmp_path}/store/t")
    with open_store(url) as store:
        assert contents(store.table("t")) == {b"kept": {b"m:q": b"v"}}
        assert (tmp_path / "store/t/data.mdb").stat().st_size >= length


def test_every_write_leaves_a_full_file(url):
    folder = folder_of(url) / "t"
    with open_store(url) as store:
        table = store.table("t")
        length = run(others.tell_left_short, str(folder))
        table.put(b"row", {b"m:q": b"v"})
        assert (folder / "data.mdb").stat().st_size >= length


def test_no_other_memory_of_the_process_gets_into_the_file(url):
    """A name that was taken out of an image may still lie in memory that LMDB is given for its pages."""
    with open_store(url) as store:
        table = store.table("t")
        names = [b"PATIENT%05d" % number * 300 for number in range(2000)]
        del names  # and its memory is free for others
        table.put_many(Put(b"%05d" % number, {b"m:q": b"v" * (number % 1500)}) for number in range(500))
    assert b"PATIENT" not in (folder_of(url) / "t" / "data.mdb").read_bytes()


def test_foreign_lmdb_folder(tmp_path):
    url = f"local://{tmp_path}"
    with open_store(url) as store:
        store.tables()
    lmdb.open(f"{tmp_path}/t").close()
    assert "no table of hbimg's" in refuses(url)


@pytest.mark.parametrize("settings", [b"no json", b"{}", b'{"families": 3}', b"\xff\xfe", b"[]"])
def test_damaged_settings(url, settings):
    with lmdb.open(str(folder_of(url) / "t"), max_dbs=16) as plain, plain.begin(write=True) as txn:
        txn.put(b"!settings", settings)
    assert "settings" in refuses(url)


@pytest.mark.parametrize(
    ("marker", "word"),
    [
        (json.dumps({"format": 2}), "update hbimg"),
        ("", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ("null", "damaged"),
    ],
)
def test_newer_or_damaged_store_marker(url, marker, word):
    (folder_of(url) / "hbimg-store.json").write_text(marker)
    assert word in refuses(url)


def test_things_in_the_way(tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(HbimgError, match="file"):
        open_store(f"local://{tmp_path}/file")
    with pytest.raises(HbimgError, match="file"):
        open_store(f"local://{tmp_path}/file/below")
    with open_store(f"local://{tmp_path}/store") as store:
        (tmp_path / "store").mkdir(exist_ok=True)
        (tmp_path / "store/t").write_text("a file")
        with pytest.raises(TableExistsError):
            store.create_table("t", TableSettings())
        with pytest.raises(TableNotFoundError):
            store.table("t")
        with pytest.raises(TableNotFoundError):
            store.drop_table("t")
        assert store.tables() == []
        assert (tmp_path / "store/t").read_text() == "a file"


def test_a_table_removed_by_hand(url):
    with open_store(url) as store:
        table = store.table("t")
        shutil.rmtree(table.path)
        with pytest.raises(TableNotFoundError):
            table.put(b"row", {b"m:q": b"v"})


# -- other users -------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_url():
    """A store where other users may look."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        url = f"local://{folder}/store"
        with open_store(url) as store:
            store.create_table("t", TableSettings()).put_many(others.rows_of_batch(0))
        yield url


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_read_only_folder(open_url):
    told = run(others.as_user, 65534, open_url)
    assert told.pop("tables") == ["t"]
    assert told.pop("rows") == [b"%06d" % row for row in range(5)]
    assert sorted(told.pop("get")) == sorted(others.COLUMNS)
    assert sorted(told) == ["check_and_put", "create", "delete", "drop", "purge", "put"]
    assert [name for name, text in told.items() if not str(text).startswith(StorePermissionError.__name__)] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_reader_whom_lmdb_cannot_see_holds_off_writers(open_url):
    """Who may not write LMDB's lock file is unseen: a writer would reuse the pages that he reads."""
    ready, go_on, outcome = spawn.Event(), spawn.Event(), spawn.Queue()
    reader = spawn.Process(target=others.scan_slowly_as_user, args=(65534, open_url, ready, go_on, outcome))
    reader.start()
    with open_store(f"{open_url}?wait_s=0.3") as store:
        table = store.table("t")
        assert ready.wait(60)
        with pytest.raises(StoreBusyError, match="may not write"):
            table.put(b"row", {b"m:q": b"v"})
        assert len(list(table.scan(ALL))) == 5
        go_on.set()
        assert len(outcome.get(timeout=60)) == 5
        reader.join(60)
        table.put(b"row", {b"m:q": b"v"})


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_unreadable_folder(open_url):
    (folder_of(open_url) / "t").chmod(0o700)
    process = spawn.Process(target=others.as_user, args=(65534, open_url, None))
    process.start()
    process.join(60)
    assert process.exitcode == 1  # the error, which as_user does not catch where it opens
    folder_of(open_url).chmod(0o700)


# -- network file systems ----------------------------------------------------------------------------------------------

MOUNTS = r"""
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:40 / /home rw shared:7 - nfs4 server:/export/home rw,vers=4.2
31 30 8:17 / /home/lab/scratch rw - xfs /dev/sdb1 rw
32 22 0:41 / /lustre rw - lustre mgs@tcp:/l rw
33 22 0:42 / /mnt/my\040share\134x rw - cifs //nas/share rw
34 22 0:43 / /mnt/laptop rw - fuse.sshfs me@laptop:/ rw
35 31 0:44 / /home/lab/scratch/remote rw - nfs nas:/r rw
36 22 0:45 / /data rw - autofs /etc/auto.data rw
37 22 0:46 / /data rw - btrfs /dev/sdc rw
38 22 0:47 / /local rw - nfs old:/ rw
39 22 8:33 / /local rw - ext4 /dev/sdd rw
40 22 0:48 / /shm rw - tmpfs tmpfs rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/homestead/me", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/deep/down", "nfs4"),
        ("/home/lab/scratch/store", "xfs"),
        ("/home/lab/scratch2", "nfs4"),
        ("/home/lab/scratch/remote/x", "nfs"),
        ("/lustre/project", "lustre"),
        (r"/mnt/my share\x/store", "cifs"),
        ("/mnt/laptop/store", "fuse.sshfs"),
        ("/data/store", "btrfs"),
        ("/local/store", "ext4"),
        ("/shm/store", "tmpfs"),
    ],
)
def test_file_system_of_a_path(path, kind):
    assert filesystem.file_system_type(Path(path), MOUNTS) == kind


@pytest.fixture
def mounted_as(tmp_path, monkeypatch):
    """Make a folder look as if a file system of some type were mounted there."""

    def mount(folder, kind):
        table = tmp_path / "mountinfo"
        point = str(folder.resolve()).replace("\\", r"\134").replace(" ", r"\040")
        table.write_text(f"22 1 0:20 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / {point} rw - {kind} server:/x rw\n")
        monkeypatch.setattr(filesystem, "_MOUNTINFO", table)

    return mount


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "lustre", "cifs", "smb3", "fuse.sshfs", "gpfs", "beegfs", "ceph", "fuse.glusterfs", "9p", "afs"],
)
def test_refused_on_a_network_file_system(tmp_path, mounted_as, kind):
    folder = tmp_path / "home of all"
    folder.mkdir()
    mounted_as(folder, kind)
    with pytest.raises(NetworkFileSystemError, match=f"network file system .{kind}.*--store") as caught:
        open_store(f"local://{folder}/new/store")
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "f2fs", "bcachefs"])
def test_taken_on_a_local_file_system(tmp_path, mounted_as, kind):
    mounted_as(tmp_path, kind)
    with open_store(f"local://{tmp_path}/store") as store:
        store.create_table("t", TableSettings()).put(b"row", {b"m:q": b"v"})


def test_refused_through_a_link(tmp_path, mounted_as):
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    mounted_as(tmp_path / "home", "nfs4")
    with pytest.raises(NetworkFileSystemError):
        open_store(f"local://{tmp_path}/link/store")


def test_a_single_table_on_a_network_file_system(tmp_path, mounted_as):
    with open_store(f"local://{tmp_path}/store") as store:
        store.create_table("t", TableSettings())
    shutil.move(tmp_path / "store/t", tmp_path / "far")
    (tmp_path / "store/t").symlink_to(tmp_path / "far")
    mounted_as(tmp_path / "far", "nfs4")
    with open_store(f"local://{tmp_path}/store") as store, pytest.raises(NetworkFileSystemError):
        store.table("t")


def test_a_scan_reads_the_chosen_families_only(url, monkeypatch):
    with open_store(url) as store:
        table = store.table("t")
        table.put_many(others.rows_of_batch(0))
        read = []
        find = table._environment.database
        monkeypatch.setattr(table._environment, "database", lambda family: read.append(family) or find(family))
        assert len(list(table.scan(ALL, ["m"]))) == 5
        assert read == ["m"]


def test_the_url_of_a_store_opens_it_again(tmp_path):
    for folder in ("plain", "with # and % and ? and ä", "100%25"):
        with open_store(f"local://{tmp_path}/x?wait_s=2.5&map_bytes=5000000") as store:
            assert store.url.endswith("/x?wait_s=2.5&map_bytes=5000000")
        from hbimg.store.local import LocalStore

        with LocalStore(tmp_path / folder) as store:
            store.create_table("t", TableSettings())
            with open_store(store.url) as again:
                assert again.path == tmp_path / folder
                assert again.tables() == ["t"]
