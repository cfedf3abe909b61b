"""The compiled messages of HBase's RPC are those of their file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "scripts" / "compile_proto.py"


def test_the_compiled_messages_are_those_of_the_proto_file():
    spec = importlib.util.spec_from_file_location("compile_proto", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.stale() == [], "run `just proto`"
