"""Which jobs there are: the built-in ones by name, a user's own by ``package.module:Class``."""

from __future__ import annotations

from dataclasses import is_dataclass
from importlib import import_module
from typing import Any

from hbimg.errors import JobError
from hbimg.mapreduce.job import Job
from hbimg.rowkeys import check_label

#: The built-in jobs: their name and the class that is it.
BUILT_IN: dict[str, str] = {
    "compress": "hbimg.mapreduce.jobs.compress:Compress",
    "dicom2nifti": "hbimg.mapreduce.jobs.dicom2nifti:Dicom2Nifti",
    "checksum": "hbimg.mapreduce.jobs.checksum:Checksum",
    "stats": "hbimg.mapreduce.jobs.stats:Stats",
    "exec": "hbimg.mapreduce.jobs.exec:Exec",
}


def find_job(name: str) -> type[Job]:
    """Give the class of a job, by its name or as ``package.module:Class``.

    Raises
    ------
    JobError
        If there is none of that name, the class cannot be imported or is no job, or it has a built-in job's name.
    """
    if ":" in name:
        found = load_class(name)
        if found.name in BUILT_IN and class_path(found) != BUILT_IN[found.name]:
            raise JobError(f"{name}: a job called {found.name!r} is built in; give yours another name")
        return found
    if name not in BUILT_IN:
        raise JobError(
            f"there is no job {name!r}: built in are {', '.join(BUILT_IN)}; your own is given as package.module:Class"
        )
    return load_class(BUILT_IN[name])


def load_class(path: str) -> type[Job]:
    """Import a job's class from ``package.module:Class``."""
    module_name, _, class_name = path.partition(":")
    try:
        module = import_module(module_name)
    except Exception as error:  # a user's module may raise anything
        raise JobError(f"{module_name!r} cannot be imported: {type(error).__name__}: {error}") from error
    found: Any = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Job)):
        raise JobError(f"{path!r} is no job: {module_name} has no class {class_name!r} derived from hbimg's Job")
    _check(path, found)
    return found


def _check(path: str, found: type[Job]) -> None:
    for attribute in ("name", "version"):
        if not isinstance(getattr(found, attribute, None), str):
            raise JobError(f"{path!r} has no {attribute}: add `{attribute}: ClassVar[str] = ...` to the class")
    if getattr(found, "__abstractmethods__", None):
        raise JobError(f"{path!r} does not define {', '.join(sorted(found.__abstractmethods__))}")
    if not is_dataclass(found) or "__dataclass_params__" not in vars(found):
        raise JobError(f"{path!r} is no dataclass: write @dataclass(frozen=True) above the class")
    check_label(found.name)


def class_path(job_class: type[Job]) -> str:
    """Give ``package.module:Class``, by which another process finds the class."""
    if job_class.__module__ == "__main__" or "." in job_class.__qualname__:
        raise JobError(
            f"job class {job_class.__qualname__} cannot be found by worker processes: put it at the top of a module"
        )
    return f"{job_class.__module__}:{job_class.__qualname__}"
