"""What travels with a job: hbimg with the user's modules, and the packages they need, as archives named by content.

A node needs Java and a Python of the client's version, nothing else. An archive that lies in HDFS already is neither
packed nor sent again, and YARN keeps what it unpacked on each node. Modules travel with their bytecode: on a node every
task would compile all that it imports, since it may not write where YARN unpacks.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import hbimg
from hbimg.errors import JobError

#: Extras whose packages go along where they are installed.
_EXTRAS = ("yarn", "codecs")
_LEVEL = 1  # of gzip: the archive is read once per node, so fast counts more than small
#: Head of a file of bytecode (PEP 552) that is taken without a look at its source: a hash that nobody checks.
_UNCHECKED = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
_HEAD_BYTES = len(_UNCHECKED)


@dataclass(frozen=True, slots=True)
class Package:
    """Files that become one archive.

    Attributes
    ----------
    name : str
        File name in HDFS; holds a digest of the content.
    files : tuple of (str, Path)
        Name in the archive and the file.
    """

    name: str
    files: tuple[tuple[str, Path], ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(path.stat().st_size for _, path in self.files)

    def write(self, target: Path) -> None:
        """Write the archive: a zip, or a gzipped tar where that is its name."""
        if self.name.endswith(".zip"):
            _write_zip(target, self.files)
        else:
            _write_tar(target, self.files)


def code_package(job_module: str) -> Package:
    """Give hbimg itself, and the user's modules if the job's class is in one."""
    root = Path(hbimg.__file__).parent
    files = [(f"hbimg/{path.relative_to(root).as_posix()}", path) for path in _sources(root)]
    if job_module.partition(".")[0] != "hbimg":
        files += _user_modules(job_module)
    digest = hashlib.sha256(_UNCHECKED)
    for name, path in sorted(files):
        digest.update(f"{name}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return Package(f"code-{digest.hexdigest()[:20]}.zip", tuple(sorted(files)))


def environment_package(*, whole: bool) -> Package:
    """Give the packages that hbimg needs, or, for a user's own job, all that are installed beside it.

    Raises
    ------
    JobError
        If pydoop is not among them.
    """
    found: dict[str, metadata.Distribution] = {}
    for item in metadata.distributions():
        found.setdefault(_canonical(item.metadata["Name"] or ""), item)  # as for modules, the first on the path counts
    found.pop("", None)
    if "pydoop" not in found:
        raise JobError("pydoop is not installed here: pip install 'hbimg[yarn]', or run with --engine local")
    chosen = set(found) if whole else _closure(found)
    files = sorted(item for name in chosen - {"hbimg"} for item in _files_of(found[name]))
    digest = hashlib.sha256(_UNCHECKED)
    for name, path in files:
        status = path.stat()
        digest.update(f"{name} {status.st_size} {int(status.st_mtime)}\n".encode())
    return Package(f"environment-{digest.hexdigest()[:20]}.tar.gz", tuple(files))


def pydoop_jar() -> Path:
    """Give the place of pydoop's Java part."""
    for path in metadata.files("pydoop") or ():
        if path.name == "pydoop.jar":
            return Path(str(path.locate()))
    raise JobError("the installed pydoop has no pydoop.jar: build it again, as docker/Dockerfile does")


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _user_modules(job_module: str) -> list[tuple[str, Path]]:
    """Give the job's module and all modules that were imported from the same folder by now."""
    main = sys.modules[job_module]
    if not main.__file__:
        raise JobError(f"module {job_module!r} is no file: put the job's class into a .py file")
    root = Path(main.__file__).resolve().parents[job_module.count(".")]
    if Path(main.__file__).name == "__init__.py":
        root = root.parent
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        path = Path(file).resolve() if file else None
        if path and path.suffix == ".py" and path.is_relative_to(root) and "site-packages" not in path.parts:
            found.append((path.relative_to(root).as_posix(), path))
    return [(name, path) for name, path in dict(found).items() if not name.startswith("hbimg/")]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _closure(found: dict[str, metadata.Distribution]) -> set[str]:
    """Give hbimg's requirements and theirs, as far as they are installed."""
    if "hbimg" not in found:
        raise JobError("hbimg's list of requirements is not installed: pip install hbimg")
    chosen: set[str] = {"pydoop"}
    waiting = ["hbimg"]
    while waiting:
        name = waiting.pop()
        extras = _EXTRAS if name == "hbimg" else ()
        needed = {needs for needs in _required(found[name], extras) if needs in found}
        waiting += needed - chosen
        chosen |= needed
    return chosen


def _required(item: metadata.Distribution, extras: Iterable[str]) -> Iterator[str]:
    for line in item.requires or ():
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        match = re.match(r"[A-Za-z0-9._-]+", line)
        if match and (extra is None or extra[1] in extras):
            yield _canonical(match[0])


def _files_of(item: metadata.Distribution) -> Iterator[tuple[str, Path]]:
    for entry in item.files or ():
        if ".." in entry.parts or "__pycache__" in entry.parts:
            continue  # commands, and what each Python writes for itself
        path = Path(str(entry.locate()))
        if path.is_file():
            yield entry.as_posix(), path


def _contents(name: str, path: Path) -> Iterator[tuple[str, bytes]]:
    """Give a file's name in the archive and its bytes, and those of its bytecode if it is a module."""
    content = path.read_bytes()
    yield name, content
    if path.suffix != ".py":
        return
    try:
        code = _cached_code(path) or marshal.dumps(compile(content, path, "exec", dont_inherit=True, optimize=0))
    except (SyntaxError, ValueError):
        return  # a template, or a test of parsers
    yield importlib.util.cache_from_source(name, optimization=""), _UNCHECKED + code


def _cached_code(path: Path) -> bytes:
    """Give the bytecode that Python keeps beside a module, if it is of the module as it is now."""
    try:
        cached = Path(importlib.util.cache_from_source(str(path), optimization="")).read_bytes()
    except OSError:
        return b""
    status = path.stat()
    stamp = b"".join((part & 0xFFFFFFFF).to_bytes(4, "little") for part in (0, int(status.st_mtime), status.st_size))
    return cached[_HEAD_BYTES:] if cached[:_HEAD_BYTES] == importlib.util.MAGIC_NUMBER + stamp else b""


def _write_zip(target: Path, files: Iterable[tuple[str, Path]]) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for item in files:
            for name, content in _contents(*item):
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, _LEVEL)


def _write_tar(target: Path, files: Iterable[tuple[str, Path]]) -> None:
    from isal import igzip

    with igzip.open(target, "wb", compresslevel=_LEVEL) as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
        for item in files:
            for name, content in _contents(*item):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), item[1].stat().st_mode & 0o777
                archive.addfile(entry, io.BytesIO(content))
