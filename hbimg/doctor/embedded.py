"""Examining the embedded store: the folder, its file system and space, LMDB's limits, tables, and the programs."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hbimg import __version__
from hbimg.doctor.findings import Finding, advice, ok, problem
from hbimg.errors import HbimgError, NetworkFileSystemError
from hbimg.store import Store, open_store
from hbimg.store.filesystem import file_system_type, refuse_network_file_system
from hbimg.volumes import VolumeTable

_GB = 1e9
_LEAST_FREE_BYTES, _FEW_FREE_BYTES = 1 << 30, 10 << 30
_SMALLEST_ADDRESS_SPACE = 8 << 30
_LIBRARIES = ("numpy", "pydicom", "nibabel", "lmdb", "xxhash", "isal", "deflate", "thriftpy2", "PIL")
_CODECS = {"jpeg_ls": "pyjpegls", "openjpeg": "pylibjpeg-openjpeg", "libjpeg": "pylibjpeg-libjpeg"}


def examine_embedded(url: str) -> dict[str, list[Finding]]:
    """Look at an embedded store, without making it, and at what is installed; findings by group.

    Raises
    ------
    ConfigError
        If the URL is malformed.
    """
    folder = Path(unquote(urlsplit(url).path, errors="surrogateescape"))
    return {
        "store": [*_folder(folder), *_space(folder), *_tables(url, folder)],
        "limits": list(_limits()),
        "programs": [*_python(), *_converter(), *_codecs()],
    }


def _existing(folder: Path) -> Path:
    """Give the folder, or the nearest above that is there."""
    return next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))


def _folder(folder: Path) -> Iterator[Finding]:
    kind = file_system_type(folder)
    try:
        refuse_network_file_system(folder)
    except NetworkFileSystemError:
        fix = "give a folder on a local disk: --store local:///scratch/..., or HBIMG_STORE"
        seen = f"a network file system ({kind}): LMDB's maps are not coherent there, the store would be damaged"
        yield problem("store-on-network", str(folder), seen, fix)
    else:
        yield ok("store-on-network", str(folder), f"on a local file system ({kind})")
    if kind in ("tmpfs", "ramfs"):
        yield advice("store-in-memory", str(folder), f"{kind}: gone at the next start", "give a folder on a disk")
    existing = _existing(folder)
    if existing.is_file():
        yield problem("store-no-folder", str(existing), "it is a file", "give a folder")
    elif not os.access(existing, os.W_OK | os.X_OK):
        fix = "give a folder of yours; to read it is enough for ls, show and export"
        yield advice("store-read-only", str(existing), "you may not write there", fix)


def _space(folder: Path) -> Iterator[Finding]:
    found = os.statvfs(_existing(folder))
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    seen = f"{free / _GB:,.1f} of {total / _GB:,.1f} GB are free"
    fix = "free space, or give a folder on another disk; `hbimg rm --purge` gives back what deleted volumes took"
    if free < _LEAST_FREE_BYTES:
        yield problem("disk-full", str(folder), seen, fix)
    elif free < _FEW_FREE_BYTES:
        yield advice("disk-full", str(folder), seen, fix)
    else:
        yield ok("disk-full", str(folder), seen)
    if found.f_files and found.f_favail < 1000:
        yield problem("no-inodes", str(folder), f"{found.f_favail} more files can be made", "delete small files")


def _tables(url: str, folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield ok("table-unreadable", str(folder), "not there yet: the first ingest makes it")
        return
    try:
        with open_store(url) as store:
            names = store.tables()
            for name in names:
                yield from _table(store, name)
    except HbimgError as error:
        yield problem("store-unreadable", str(folder), str(error), "see the message")


def _table(store: Store, name: str) -> Iterator[Finding]:
    try:
        volumes = sum(1 for _ in VolumeTable.open(store, name).records())
    except HbimgError as error:
        yield problem("table-unreadable", name, str(error), "restore it from a copy, or drop it: hbimg tables --drop")
    else:
        yield ok("table-unreadable", name, f"{volumes} volumes")


def _limits() -> Iterator[Finding]:
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if space != resource.RLIM_INFINITY and space < _SMALLEST_ADDRESS_SPACE:
        fix = "raise it (`ulimit -v unlimited`, or the queue's memory limit): LMDB maps a table's whole file"
        yield problem("address-space", "this process", f"ulimit -v is {space / _GB:.1f} GB", fix)
    else:
        yield ok("address-space", "this process", "enough to map a table's file")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files < 256:
        yield advice("open-files", "this process", f"ulimit -n is {files}", "raise it to 1024 or more")
    if sys.maxsize < 1 << 32:
        yield problem("address-space", "Python", "a 32-bit program", "install a 64-bit Python")


def _python() -> Iterator[Finding]:
    yield ok("python", sys.executable, f"Python {platform.python_version()}, hbimg {__version__}")
    missing = []
    for name in _LIBRARIES:
        try:
            import_module(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    if missing:
        fix = f"{sys.executable} -m pip install --force-reinstall hbimg=={__version__}"
        yield problem("library", sys.executable, f"cannot be imported: {'; '.join(missing)}", fix)
    else:
        lmdb = ".".join(str(part) for part in import_module("lmdb").version())
        yield ok("library", sys.executable, f"all libraries can be imported; LMDB {lmdb}")


def _converter() -> Iterator[Finding]:
    fix = f"{sys.executable} -m pip install --force-reinstall dcm2niix; a wheel is for one processor and libc"
    try:
        program = import_module("dcm2niix").bin
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (ImportError, AttributeError, OSError, subprocess.TimeoutExpired) as error:
        yield problem("converter", "dcm2niix", f"it does not run: {error}", fix)
        return
    # It ends with 3 after it told its version.
    words = [line for line in done.stdout.splitlines() if "dcm2niiX" in line or re.match(r"v\d", line)]
    if words:
        yield ok("converter", program, words[0][:80])
    else:
        yield problem("converter", program, f"it ended with {done.returncode} and told no version", fix)


def _codecs() -> Iterator[Finding]:
    missing = []
    for package in _CODECS.values():
        try:
            version(package)
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        fix = "pip install 'hbimg[codecs]': jobs and pictures of JPEG-compressed DICOM need it; storing does not"
        yield advice("codecs", "decoders", f"not installed: {', '.join(missing)}", fix)
    else:
        yield ok("codecs", "decoders", "JPEG, JPEG-LS and JPEG 2000 can be decoded")
