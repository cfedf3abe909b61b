"""Compile hbimg/store/rpc/hbase.proto; with ``--check``, say whether the compiled module is that of the file.

The compiler is grpcio-tools in the version that the dev extra pins: what it makes runs with its own protobuf and every
later one that `pyproject.toml` allows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = "hbimg/store/rpc/hbase.proto"
MADE = ("hbimg/store/rpc/hbase_pb2.py", "hbimg/store/rpc/hbase_pb2.pyi")


def compiled() -> dict[str, str]:
    """Give the texts of the modules that the compiler makes, by their paths."""
    with tempfile.TemporaryDirectory() as folder:
        made = (f"--python_out={folder}", f"--pyi_out={folder}")
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *made, PROTO]
        subprocess.run(command, cwd=ROOT, check=True)
        texts = {path: (Path(folder) / path).read_text() for path in MADE}
    # The compiler leaves out what a mapping is of, which mypy --strict asks for.
    texts[MADE[1]] = texts[MADE[1]].replace("_Mapping]", "_Mapping[str, object]]")
    return texts


def stale() -> list[str]:
    """Give the paths of compiled modules that are not as the compiler would make them."""
    return [path for path, text in compiled().items() if (ROOT / path).read_text() != text]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(f"compile the proto file again (just proto): {', '.join(found)}" if (found := stale()) else 0)
    for path, text in compiled().items():
        (ROOT / path).write_text(text)
