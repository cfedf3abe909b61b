"""`exec`: any command-line tool, once for each volume or each frame, without the network unless it is asked for."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hbimg.errors import ParameterError, VolumeFailedError
from hbimg.mapreduce.commands import Command, Log, run_command
from hbimg.mapreduce.job import Artefact, Job, LoadedVolume, Need, parameter
from hbimg.mapreduce.jobs.exec_folders import Folders, pieces_of, unpack_files
from hbimg.mapreduce.jobs.exec_input import FORMS, need_of, why_not, window_of, write_frames, write_volume
from hbimg.mapreduce.jobs.exec_words import CommandWords, bytes_of, file_name, seconds_of
from hbimg.model import LEVELS
from hbimg.volumes import VolumeRecord

_PER = ("volume", "frame")
#: What a command's environment takes over from its worker's.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "HOME", "USER", "LOGNAME")
#: The same everywhere: texts and times do not depend on the machine, and workers fill the processors already.
_FIXED = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
}


@dataclass(frozen=True)
class Exec(Job):
    """Run any command-line tool once for each volume, or for each frame.

    {input} is the volume's file (for DICOM, the folder of its files), {output:NAME} a file that the tool writes and
    that is stored, {output} one called <scan>.nii.gz, {outdir} a folder of which everything is stored. {key},
    {project}, {subject}, {session}, {scan} and {frame} stand for their text. No shell comes between; `sh -c '...'` is a
    command too. The tool runs in an empty folder of its own, and has no network unless --network is given.
    """

    name: ClassVar[str] = "exec"
    version: ClassVar[str] = "2"
    examples: ClassVar[tuple[str, ...]] = (
        "hbimg run exec --table t1 --input-as nifti --stdout info.txt -- nib-ls {input}",
        "hbimg run exec --table t1 --result-name smooth --input-as nifti -- mytool --sigma 2 {input} {output}",
        "hbimg run exec --table t1 --with segment.py -- python segment.py {input} {output:mask.nii.gz}",
    )

    command: str = parameter("", "The command, quoted as in a shell.")
    per: str = parameter("volume", "Run the command once for each volume, or for each frame.", _PER)
    input_as: str = parameter("original", "How the tool gets its input.", FORMS)
    window: str = parameter("", "LOW,HIGH: values that are black and white in images. Default: values as stored.")
    stdout: str = parameter("", "Store what the command prints to standard output as a file of this name.")
    log: bool = parameter(False, "Store the beginning and the end of what the command says as log.txt.")
    timeout: str = parameter("24h", "Kill the command when it takes longer: seconds, or 90s, 15m, 2h.")
    memory_limit: str = parameter("", "Kill the command when it takes more memory: 4GB, 512MiB. Default: no limit.")
    network: bool = parameter(False, "Let the command use the network.")
    tool_version: str = parameter("", "The tool's version; results of another one are made anew.")
    accept_incomplete: bool = parameter(False, "Take volumes that were stored although planes are missing or uneven.")
    environment: str = parameter("{}", "Environment variables, as JSON.")
    files: str = parameter("{}", "Files that are put beside the command, as JSON: name to content in base64.")

    def __post_init__(self) -> None:
        """Check the parameters."""
        words = CommandWords.parse(self.command)
        if self.per not in _PER or self.input_as not in FORMS:
            raise ParameterError(f"per {self.per!r}, input_as {self.input_as!r}: give one of {_PER} and of {FORMS}")
        if not (words.outputs or words.has_output or words.has_folder or self.stdout):
            raise ParameterError(
                f"command {self.command!r} names no output: write {{output}}, {{output:NAME}} or {{outdir}} where "
                "the tool wants it, or give --stdout NAME"
            )
        if self.stdout:
            file_name(self.stdout, f"stdout {self.stdout!r}")
        if self.window:
            self._check_window()
        seconds_of(self.timeout, "timeout")
        bytes_of(self.memory_limit, "memory-limit")

    def _check_window(self) -> None:
        try:
            window_of(self.window)
        except ValueError as error:
            raise ParameterError(f"window {self.window!r}: give LOW,HIGH, two numbers, the lower one first") from error

    def deciding_parameters(self) -> dict[str, Any]:
        """Leave limits out: a result that was made within a smaller limit is the same. Files go by their digest."""
        kept = self.parameters()
        for limit in ("timeout", "memory_limit"):
            del kept[limit]
        kept["files"] = hashlib.sha256(self.files.encode()).hexdigest()
        return kept

    def need(self, record: VolumeRecord) -> Need:
        """What the form of the input needs."""
        return need_of(record, self.input_as, by_frame=self.per == "frame")

    def memory_beside_bytes(self) -> int:
        """What the command may take, if that is limited."""
        return bytes_of(self.memory_limit, "memory-limit")

    def accepts(self, record: VolumeRecord) -> str:
        """Refuse volumes that cannot be given in the form that was asked for."""
        if record.missing is not None and not self.accept_incomplete:
            return "incomplete: --accept-incomplete takes it"
        return why_not(record, self.input_as, by_frame=self.per == "frame")

    def map(self, volume: LoadedVolume) -> Iterable[Artefact]:
        """Run the command and give what it wrote."""
        if self.per == "volume":
            with Folders(volume.scratch) as folders:
                path = write_volume(volume, self.input_as, self.window, folders.input)
                yield from self._run(volume, folders, path, "")
            return
        with Folders(volume.scratch) as folders:
            for number, path in write_frames(volume, self.input_as, self.window, folders.input):
                folders.clear_output()
                yield from self._run(volume, folders, path, f"{number:06d}")
                path.unlink()

    def _run(self, volume: LoadedVolume, folders: Folders, path: Path, frame: str) -> Iterator[Artefact]:
        """Run the command on the file or folder at `path`; `frame` is its number with six digits, or empty."""
        texts = {
            "key": str(volume.record.key),
            **dict(zip(LEVELS, volume.record.key.labels, strict=True)),
            "frame": frame,
        }
        words = CommandWords.parse(self.command)
        single = f"{volume.stem}{'.png' if self.input_as == 'image' else '.nii.gz'}"
        outputs = {f"output:{name}": name for name in words.outputs} | ({"output": single} if words.has_output else {})
        places = {"input": path.relative_to(folders.work).as_posix(), "outdir": "out"}
        places |= {placeholder: f"out/{name}" for placeholder, name in outputs.items()}
        unpack_files(self.files, folders.work)
        command = Command(
            words=words.filled(texts | places),
            folder=folders.work,
            environment=self._environment(texts, folders, path),
            timeout_s=seconds_of(self.timeout, "timeout"),
            memory_bytes=bytes_of(self.memory_limit, "memory-limit"),
            network=self.network,
            stdout=folders.output / self.stdout if self.stdout else None,
        )
        log = _run_well(command, f"frame {int(frame)}: " if frame else "", volume)
        prefix = f"{frame}-" if frame else ""
        named = [*outputs.values(), *([self.stdout] if self.stdout else [])]
        for found in folders.written(named, everything=words.has_folder):
            yield Artefact(f"{prefix}{found.relative_to(folders.output).as_posix()}", pieces_of(found))
        if self.log:
            yield Artefact(f"{prefix}log.txt", [log.text().encode()])

    def _environment(self, texts: Mapping[str, str], folders: Folders, path: Path) -> dict[str, str]:
        taken = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        own = {f"HBIMG_{name.upper()}": text for name, text in texts.items() if text}
        places = {"HBIMG_INPUT": str(path), "HBIMG_OUTDIR": str(folders.output), "TMPDIR": str(folders.temporary)}
        given: dict[str, str] = json.loads(self.environment)
        return taken | _FIXED | own | places | given


def _run_well(command: Command, where: str, volume: LoadedVolume) -> Log:
    """Run a command and give what it said; a failure is told at length on stderr, and in one line by the error."""
    ended = run_command(command)
    why = ended.why_failed()
    if why:
        sys.stderr.write(f"{volume.record.key}: {where}{why}\n{ended.log.text()}\n")
        raise VolumeFailedError(f"{where}{why}")
    return ended.log
