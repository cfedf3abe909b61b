"""The doctor on the embedded store, and the command itself."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hbimg.cli import cli
from hbimg.doctor import Severity, embedded, examine
from hbimg.errors import ConfigError, NetworkFileSystemError
from hbimg.store import open_store
from hbimg.volumes import VolumeTable


@pytest.fixture
def folder(tmp_path):
    with open_store(f"local://{tmp_path}/store") as store:
        VolumeTable.create(store, "t1")
    return tmp_path / "store"


def look(folder):
    found = [x for findings in examine(f"local://{folder}").values() for x in findings]
    return {x.name: x for x in found if x.severity != "ok"}


def test_a_sound_store_has_no_problem(folder):
    assert "problem" not in {finding.severity for finding in look(folder).values()}


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    look(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_a_network_file_system_is_told(folder, monkeypatch):
    def refuse(path):
        raise NetworkFileSystemError(str(path))

    monkeypatch.setattr(embedded, "refuse_network_file_system", refuse)
    monkeypatch.setattr(embedded, "file_system_type", lambda path: "nfs4")
    assert "nfs4" in look(folder)["store-on-network"].seen


def test_a_memory_disk_is_told(folder, monkeypatch):
    monkeypatch.setattr(embedded, "file_system_type", lambda path: "tmpfs")
    assert look(folder)["store-in-memory"].severity is Severity.ADVICE


@pytest.mark.parametrize(("free", "severity"), [(1 << 20, "problem"), (5 << 30, "advice")])
def test_a_full_disk_is_told(folder, monkeypatch, free, severity):
    found = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_blocks=1 << 28, f_files=10, f_favail=5)
    monkeypatch.setattr(embedded.os, "statvfs", lambda path: found)
    assert look(folder)["disk-full"].severity == severity
    assert "5 more files" in look(folder)["no-inodes"].seen


def test_a_folder_that_is_none_and_one_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert look(tmp_path / "file" / "store")["store-no-folder"].where == str(tmp_path / "file")
    monkeypatch.setattr(embedded.os, "access", lambda path, mode: False)
    assert look(tmp_path / "new")["store-read-only"].severity is Severity.ADVICE


def test_a_damaged_table_and_a_foreign_folder_are_told(folder):
    data = folder / "t1" / "data.mdb"
    data.write_bytes(data.read_bytes()[:5000])
    assert look(folder)["table-unreadable"].severity is Severity.PROBLEM
    (folder / "hbimg-store.json").write_text("{}")
    assert look(folder)["store-unreadable"].severity is Severity.PROBLEM


def test_limits_of_the_process_are_told(folder):
    """In a process of its own, with a limit as batch systems set it."""
    program = (
        f"from hbimg.doctor import examine; print(*(x for xs in examine('local://{folder}').values() for x in xs))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: (
            resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)),
        ),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert "ulimit -v is 4.3 GB" in done.stdout
    assert "ulimit -n is 200" in done.stdout


def test_programs_that_do_not_run_are_told(folder, monkeypatch, tmp_path):
    broken = tmp_path / "dcm2niix"
    broken.write_text("#!/bin/sh\necho cannot execute; exit 126\n")
    broken.chmod(0o755)
    real = embedded.import_module

    def altered(name):
        if name == "dcm2niix":
            return SimpleNamespace(bin=str(broken))
        if name == "deflate":
            raise ImportError("libdeflate.so: cannot open shared object file")
        return real(name)

    monkeypatch.setattr(embedded, "import_module", altered)
    found = look(folder)
    assert "126" in found["converter"].seen
    assert "libdeflate.so" in found["library"].seen
    broken.unlink()
    assert "No such file" in look(folder)["converter"].seen


def test_absent_codecs_are_told(folder, monkeypatch):
    def absent(package):
        raise embedded.PackageNotFoundError(package)

    monkeypatch.setattr(embedded, "version", absent)
    assert "hbimg[codecs]" in look(folder)["codecs"].fix


def test_a_store_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="nothing to examine"):
        examine("memory:")


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("HBIMG_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("HBIMG_STORE", raising=False)
    return lambda *arguments: CliRunner().invoke(cli, ["doctor", *map(str, arguments)])


def test_the_command_prints_groups_and_ends_with_one_after_a_problem(run, folder):
    done = run("--store", f"local://{folder}", "--all")
    assert done.exit_code == 0
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == ["store:", "limits:", "programs:"]
    assert "0 problems" in done.stderr
    shutil.copy(__file__, folder / "t1" / "data.mdb")
    done = run("--store", f"local://{folder}")
    assert done.exit_code == 1
    assert "  problem  table-unreadable: t1: " in done.stdout
    assert "           fix: " in done.stdout


def test_the_command_gives_json(run, folder):
    done = run("--store", f"local://{folder}", "--json")
    findings = json.loads(done.stdout)["store"]
    assert set(findings[0]) == {"name", "severity", "where", "seen", "fix"}


def test_a_cluster_that_is_not_there(run):
    done = run("--store", "hbase://localhost:1?wait_s=1", "--timeout", "1", "--thrift-info-port", "1")
    assert done.exit_code == 1
    assert "thrift-silent: localhost:1: " in done.stdout
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--store", "hbase://"], "no host"),
        (["--store", "hbase://localhost:1", "--master", "a/b"], "HOST:PORT"),
        (["--store", "nothing"], "profile"),
        (["--timeout", "0"], "0.1"),
    ],
)
def test_wrong_options_are_told(run, arguments, said):
    done = run(*arguments)
    assert done.exit_code != 0
    assert said in str(done.exception) + done.output


def test_a_malformed_way_to_the_nodes_is_told(cluster):
    with pytest.raises(ConfigError, match="--via"):
        network_run("ssh {user}@{host}")
    with pytest.raises(ConfigError, match="--via"):
        network_run("ssh '{host}")


def network_run(template):
    from hbimg.doctor.network import Network
    from hbimg.store.hbase_address import HBaseAddress

    return Network(HBaseAddress.parse("hbase://head")).run(template, "worker1.hbimg", [sys.executable, "-"], "print(1)")


def test_a_command_on_a_node_is_run_and_its_failure_told():
    from hbimg.errors import StoreUnavailableError

    assert network_run("env HOST={host} NAME={name}").strip() == "1"
    with pytest.raises(StoreUnavailableError, match="ended with"):
        network_run("sh -c 'echo no route to {name} >&2; exit 255'")
    with pytest.raises(StoreUnavailableError, match="No such file"):
        network_run("/nowhere/ssh {host}")
