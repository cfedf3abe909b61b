"""What the tests of the ingest share: the command line in this process, and NIfTI files made byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner

from hbimg.cli import cli
from hbimg.errors import HbimgError


@dataclass
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, parse_constant=pytest.fail)

    def line_with(self, text: str) -> str:
        """Give the one line on stderr that holds a text."""
        (line,) = [line for line in self.err.splitlines() if text in line]
        return line


class HbimgCli:
    """The command line on a store of its own; in this process, or in one of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = f"local://{folder}/store"
        self.environment = {
            **os.environ,
            "HBIMG_STORE": self.store,
            "HBIMG_CONFIG": str(folder / "config.toml"),
            "HOME": str(folder),
        }

    def __call__(self, *arguments: object, code: int = 0, stdin: str = "") -> Said:
        texts = [str(argument) for argument in arguments]
        if texts[0] == "ingest" and "-w" not in texts:
            texts += ["-w", "1"]
        result = CliRunner().invoke(cli, texts, env=self.environment, input=stdin)
        err = result.stderr
        if isinstance(result.exception, HbimgError):
            err += f"hbimg: {' '.join(str(result.exception).split())}\n"
        elif result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, (result.exit_code, result.stdout, err)
        assert "Traceback" not in err
        return Said(result.exit_code, result.stdout, err)

    def start(self, *arguments: object, **options: object) -> subprocess.Popen:
        """Start the command in a process of its own."""
        texts = [sys.executable, "-m", "hbimg", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": self.environment}
        return subprocess.Popen(texts, **pipes | options)

    def apart(self, *arguments: object, code: int = 0, **options: object) -> Said:
        """Run the command in a process of its own to its end."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, (process.returncode, out, err)
        assert "Traceback" not in err
        return Said(process.returncode, out, err)

    def exported(self, table: str = "t") -> dict[str, bytes]:
        """Export all originals; name below the volume's folder to bytes."""
        folder = self.folder / f"out-{len(list(self.folder.iterdir()))}"
        self("export", "--table", table, "--to", folder)
        return {"/".join(p.relative_to(folder).parts[4:]): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def assert_sound(self, table: str = "t") -> None:
        """Check that the table verifies and nothing is left that nothing points to."""
        checked = self("verify", "--table", table, "--json").json
        assert checked["orphan_rows"] == []
        assert [item for item in checked["volumes"] if item["faults"]] == []


@pytest.fixture
def hbimg(tmp_path):
    return HbimgCli(tmp_path)


def make_nifti(
    array: np.ndarray,
    version: int = 1,
    endian: str = "<",
    pair: bool = False,
    extension: bytes = b"",
    trailing: bytes = b"",
    **fields: object,
) -> tuple[bytes, bytes]:
    """Give the bytes of a NIfTI file's header with what follows up to the voxels, and the rest."""
    classes = {
        (1, False): nibabel.Nifti1Header,
        (2, False): nibabel.Nifti2Header,
        (1, True): nibabel.nifti1.Nifti1PairHeader,
        (2, True): nibabel.nifti2.Nifti2PairHeader,
    }
    header = classes[version, pair](endianness=endian)
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_sform(np.diag([2.0, 3.0, 4.0, 1.0]), code="scanner")
    header["magic"] = header.pair_magic if pair else header.single_magic
    start = header.single_vox_offset + len(extension)
    header["vox_offset"] = 0 if pair else start
    for name, value in fields.items():
        header[name] = value
    head = header.binaryblock + (b"\1\0\0\0" if extension else b"\0\0\0\0") + extension
    voxels = array.astype(array.dtype.newbyteorder(endian)).tobytes(order="F")
    return (head if pair else head.ljust(start, b"\0")), voxels + trailing


@pytest.fixture
def nifti():
    return make_nifti


@pytest.fixture
def image(nifti):
    """A function that gives the bytes of a small NIfTI file, different for each seed."""

    def make(seed: int = 0, shape: tuple[int, ...] = (7, 6, 5)) -> bytes:
        array = np.random.default_rng(seed).integers(0, 1000, shape, dtype=np.int16)
        return b"".join(nifti(array))

    return make


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
