"""What goes to a cluster: the submission as text, its properties, its files, and what is refused before."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from submissions import make_submission

from hbimg.errors import JobError, ParameterError, StoreBusyError
from hbimg.mapreduce.engines import choose_engine
from hbimg.mapreduce.jobs.exec import Exec
from hbimg.mapreduce.yarn.prepare import check_regions
from hbimg.mapreduce.yarn.site import Site
from hbimg.mapreduce.yarn.submission import (
    ClusterSettings,
    configuration_file,
    memory_needed_mb,
    parse_properties,
)
from hbimg.rowkeys import KeyRange
from hbimg.store import Region

GOLDEN = Path(__file__).parents[2] / "golden" / "submission.txt"


def test_the_dry_run_is_the_golden_text():
    assert make_submission().describe() + "\n" == GOLDEN.read_text()


def test_a_property_of_the_user_wins():
    properties = make_submission(properties={"mapreduce.map.speculative": "true"}).properties()
    assert properties["mapreduce.map.speculative"] == "true"
    assert properties["mapreduce.map.memory.mb"] == "1024"


def test_scans_name_table_and_range():
    scans = make_submission().properties()["hbase.mapreduce.scans"].split(",")
    messages = [base64.b64decode(scan) for scan in scans]
    assert len(messages) == 2
    # Fields 3 and 4 of the message are the first row and the row behind the last: tag, length, bytes.
    assert messages[0].endswith(b'\x1a\x0dmade,sub-000!"\x0dmade,sub-001"')
    assert b"scan.attributes.table.name\x12\x06lab:t1" in messages[1]


def test_the_configuration_file_keeps_every_character():
    root = ET.fromstring(configuration_file({"a.b": "1 < 2 & 3", "c": "x,y#z"}))
    found = {item.findtext("name"): item.findtext("value") for item in root.iter("property")}
    assert found == {"a.b": "1 < 2 & 3", "c": "x,y#z"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize("python", [sys.executable, "no-such-python"])
def test_a_task_that_cannot_start_tells_hadoop_at_once(tmp_path, python):
    """The Java side waits for a connection: the script makes one when Python ends without it."""
    script = tmp_path / "task.sh"
    script.write_text(make_submission(python=python).program())
    with socket.create_server(("localhost", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        done = subprocess.run(
            ["env", f"mapreduce.pipes.command.port={port}", "bash", script],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        server.accept()[0].close()
    assert done.returncode != 0
    assert done.stderr


def test_memory_grows_with_the_largest_volume():
    assert memory_needed_mb(0) == 768
    assert memory_needed_mb(500_000_000) == 1792
    assert memory_needed_mb(0, 4_000_000_000) == 4864  # a tool with a limit


def test_a_tools_limit_is_asked_for_beside_the_volume():
    limited = Exec(command="tool {input} {output}", memory_limit="4000MB")
    assert limited.memory_beside_bytes() == 4_000_000_000
    assert Exec(command="tool {input} {output}").memory_beside_bytes() == 0


@pytest.mark.parametrize("text", ["novalue", "=x", " =x"])
def test_a_property_without_a_name_is_refused(text):
    with pytest.raises(ParameterError, match="NAME=VALUE"):
        parse_properties([text])


def test_negative_settings_are_refused():
    with pytest.raises(ParameterError, match="memory mb -1"):
        ClusterSettings(memory_mb=-1)


def test_a_table_that_is_being_re_cut_is_refused():
    whole = [Region(KeyRange(b"", b"m"), "a"), Region(KeyRange(b"m", b""), "b")]
    check_regions("t", whole)
    for regions in (
        whole[:1],
        whole[1:],
        [],
        [whole[0], Region(KeyRange(b"n", b""), "b")],
        [whole[0], Region(KeyRange(b"m", b""), "")],
    ):
        with pytest.raises(StoreBusyError, match="re-cut"):
            check_regions("t", regions)


def test_an_embedded_store_runs_here():
    assert choose_engine("auto", "local:///x")[0] == "local"
    with pytest.raises(JobError, match="needs a store that all nodes see"):
        choose_engine("yarn", "local:///x")


def test_without_hadoop_hbase_runs_here(monkeypatch):
    monkeypatch.setenv("HADOOP_CONF_DIR", "/nowhere")
    monkeypatch.delenv("HADOOP_HOME", raising=False)
    engine, why = choose_engine("auto", "hbase://head")
    assert engine == "local"
    assert "HADOOP_CONF_DIR" in why


SITE = {
    "core-site.xml": {"fs.defaultFS": "hdfs://${master}:9000", "master": "head"},
    "yarn-site.xml": {"yarn.resourcemanager.hostname": "head"},
    "hbase-site.xml": {"hbase.zookeeper.quorum": "head"},
}


@pytest.fixture
def site_of(tmp_path, monkeypatch):
    def make(files):
        for name, properties in files.items():
            (tmp_path / name).write_text(configuration_file(properties))
        (tmp_path / "hadoop").write_text("#!/bin/sh\n")
        (tmp_path / "hadoop").chmod(0o755)
        monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("HADOOP_USER_NAME", "me")
        return Site.find()

    return make


def test_addresses_come_from_the_configuration(site_of):
    site = site_of(SITE)
    assert site.resource_managers == ["http://head:8088"]
    assert site.namenodes == ["http://head:9870"]
    assert site.zookeeper == {"hbase.zookeeper.quorum": "head"}
    assert site.user == "me"


def test_daemons_that_stand_in_for_each_other_are_all_known(site_of):
    site = site_of(
        {
            "core-site.xml": {"fs.defaultFS": "hdfs://lab"},
            "hdfs-site.xml": {
                "dfs.ha.namenodes.lab": "n1,n2",
                "dfs.namenode.http-address.lab.n1": "a:50070",
                "dfs.namenode.http-address.lab.n2": "b:50070",
            },
            "yarn-site.xml": {
                "yarn.resourcemanager.ha.rm-ids": "r1,r2",
                "yarn.resourcemanager.hostname.r1": "a",
                "yarn.resourcemanager.webapp.address.r2": "b:8090",
            },
        }
    )
    assert site.namenodes == ["http://a:50070", "http://b:50070"]
    assert site.resource_managers == ["http://a:8088", "http://b:8090"]
    with pytest.raises(JobError, match=r"hbase\.zookeeper\.quorum"):
        _ = site.zookeeper


def test_another_file_system_is_refused(site_of):
    site = site_of({**SITE, "core-site.xml": {"fs.defaultFS": "s3a://bucket"}})
    with pytest.raises(JobError, match="s3a://bucket"):
        _ = site.namenodes


def test_no_hadoop_command_is_one_line(site_of, monkeypatch):
    site_of(SITE)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(JobError, match="no command `hadoop`"):
        Site.find()


def test_a_broken_configuration_names_the_file(site_of, tmp_path):
    site_of(SITE)
    (tmp_path / "yarn-site.xml").write_text("<configuration>")
    with pytest.raises(JobError, match=r"yarn-site\.xml cannot be read"):
        Site.find()
