"""The import arrows of docs/decisions/0001 hold, and each foreign library stays in its one place."""

from __future__ import annotations

import ast
from pathlib import Path

import hbimg

PACKAGE = Path(hbimg.__file__).parent

#: Room to the rooms it may import. Everything may import `errors` and `model`; nothing imports `cli`.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "model": {"errors"},
    "config": {"errors"},
    "perfmodel": {"errors", "model"},
    "rowkeys": {"errors", "model"},
    "store": {"errors", "model", "config", "rowkeys"},
    "volumes": {"errors", "model", "rowkeys", "store"},
    "allocation": {"errors", "model", "perfmodel", "rowkeys", "store", "volumes"},
    "access": {"errors", "model", "config", "rowkeys", "store", "volumes"},
    "bids": {"errors", "model", "rowkeys", "store", "volumes"},
    "ingest": {"errors", "model", "rowkeys", "store", "volumes", "bids"},
    "mapreduce": {"errors", "model", "perfmodel", "rowkeys", "store", "volumes"},
    "doctor": {"errors", "model", "config", "rowkeys", "store", "volumes"},
    "testing": {"errors", "model", "rowkeys", "store", "volumes", "allocation", "bids", "ingest", "mapreduce"},
    "cli": {
        "errors",
        "model",
        "config",
        "rowkeys",
        "store",
        "volumes",
        "allocation",
        "bids",
        "ingest",
        "mapreduce",
        "perfmodel",
        "doctor",
        "testing",
    },
    "__main__": {"cli"},
}

#: Foreign package to the only places that may import it.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "click": ("cli/",),
    "rich": ("cli/",),
    "lmdb": ("store/local.py", "store/local_errors.py", "store/environments.py"),
    "happybase": ("store/thrift.py",),
    "thriftpy2": ("store/thrift.py",),
    "google": ("store/rpc/",),
    "PIL": ("volumes/pictures.py",),
    "pydoop": ("mapreduce/pydoop_adapter.py",),
    "fsspec": ("access/filesystem.py",),
    "matplotlib": ("perfmodel/figures.py",),
    "pytest": ("testing/",),
    "hypothesis": ("testing/",),
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "hbimg")
    return names


def _modules() -> list[tuple[str, str, set[str]]]:
    """(room, path in the package, imported names) of every module."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE).as_posix()
        room = inside.split("/")[0].removesuffix(".py")
        found.append((room, inside, _imports(path)))
    return found


def test_arrows_between_rooms():
    wrong = []
    for room, inside, names in _modules():
        if room == "__init__":
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] != "hbimg" or len(parts) < 2 or parts[1].startswith("__"):
                continue
            if parts[1] != room and parts[1] not in MAY_IMPORT[room]:
                wrong.append(f"{inside} imports {name}")
    assert not wrong, wrong


def test_foreign_libraries_stay_in_their_place():
    wrong = []
    for _, inside, names in _modules():
        for name in names:
            allowed = ONLY_IN.get(name.split(".")[0])
            if allowed is not None and not inside.startswith(allowed):
                wrong.append(f"{inside} imports {name}, which belongs in {allowed}")
    assert not wrong, wrong


def test_every_module_says_what_it_is():
    silent = [inside for _, inside, _ in _modules() if not ast.get_docstring(ast.parse((PACKAGE / inside).read_text()))]
    assert not silent, silent


def test_files_stay_one_idea():
    """A file over 400 lines has become two ideas: split it rather than raise this."""
    long = [inside for _, inside, _ in _modules() if len((PACKAGE / inside).read_text().splitlines()) > 400]
    assert not long, long
