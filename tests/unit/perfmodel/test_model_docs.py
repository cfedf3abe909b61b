"""What docs/model.md shows works: its cluster file, its run report, its commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hbimg.cli import cli
from hbimg.perfmodel import scenario_file
from hbimg.perfmodel.report import parse_report

PAGE = Path(__file__).parents[3] / "docs" / "model.md"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


def test_the_cluster_file():
    scenario = scenario_file.loads(block("toml"), "model.md")
    assert len(scenario.cluster.machines) == 12
    assert scenario_file.loads(scenario_file.dumps(scenario), "x.toml") == scenario


def test_every_key_of_a_cluster_file_is_shown():
    tables = (scenario_file._CLUSTER, scenario_file._MACHINE, scenario_file._WORKLOAD, scenario_file._SCHEDULING)
    shown = block("toml")
    hidden = [key for table in tables for key in table if not re.search(rf"^#? ?{key} = ", shown, re.MULTILINE)]
    assert hidden == []


def test_the_run_report():
    assert parse_report(json.loads(block("json")), "model.md").tasks[0].host == "node-1"


@pytest.mark.parametrize("line", sorted(set(re.findall(r"hbimg model (\w+)", PAGE.read_text()))))
def test_every_command_that_is_named_exists(line):
    assert line in cli.get_command(None, "model").commands
