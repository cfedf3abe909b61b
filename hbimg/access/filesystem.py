"""An fsspec file system over a store, read-only: ``hbimg://TABLE/project/subject/session/scan/...``.

Below a volume stand ``originals``, with the files as they came in, and ``results``, with a folder for each result.
Whatever reads through fsspec (pandas, dask, PyTorch's loaders, nibabel from a stream) reads both without an export.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fsspec.spec import AbstractFileSystem

from hbimg.access.addresses import ORIGINALS, PREFIX, RESULTS, Address
from hbimg.access.files import files_of, open_file
from hbimg.access.sessions import reading_store, reading_table, store_url
from hbimg.errors import StoreError, TableNotFoundError, VolumeNotFoundError
from hbimg.model import LEVELS
from hbimg.volumes import VolumeTable, Where


class HbimgFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Tables, volumes, their original files and results, as folders and files.

    Parameters
    ----------
    store : str, optional
        URL or profile of the store; by default that of the command line.
    """

    protocol = "hbimg"
    root_marker = ""

    def __init__(self, store: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.store = store_url(store)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return str(path).removeprefix(PREFIX).strip("/")

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder, or the one file; FileNotFoundError if there is neither."""
        address = Address.parse(self._strip_protocol(path))
        found = sorted(self._found(address), key=lambda entry: str(entry["name"]))
        if not found and address.table and address.inside != (RESULTS,):
            raise FileNotFoundError(f"{address} does not exist: `hbimg ls` lists what is there")
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Tell what a path is: name, type, size in bytes, and of a file its SHA-256."""
        address = Address.parse(self._strip_protocol(path))
        if not address.path:
            return _folder("")
        found = self.ls(address.path)
        return found[0] if found[0]["name"] == address.path else _folder(address.path)

    def created(self, path: str) -> Any:
        """Not known of files; NotImplementedError."""
        raise NotImplementedError(f"{path}: when a file was made is not kept")

    def _found(self, address: Address) -> Iterator[dict[str, Any]]:
        """Give the entries of a folder, or the one of a file; none if there is no such thing."""
        try:
            if not address.table:
                with reading_store(self.store) as store:
                    yield from (_folder(name) for name in store.tables())
                return
            with reading_table(self.store, address.table) as volumes:
                yield from _volumes_below(volumes, address) if address.key is None else _inside(volumes, address)
        except (TableNotFoundError, VolumeNotFoundError):
            return

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        """Open a file for reading."""
        if mode != "rb":
            raise StoreError(f"{PREFIX}{path} cannot be written: `hbimg ingest` and `hbimg run` write to tables")
        try:
            return open_file(Address.parse(path), self.store)
        except (TableNotFoundError, VolumeNotFoundError) as error:
            if self.isdir(path):
                raise IsADirectoryError(f"{PREFIX}{path} is a folder: `ls` lists its files") from error
            raise FileNotFoundError(str(error)) from error


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _volumes_below(volumes: VolumeTable, address: Address) -> Iterator[dict[str, Any]]:
    """Give the labels of the next level, each once: keys come in order."""
    depth, last = len(address.labels), ""
    everything = ("*",) * (len(LEVELS) - depth)
    for record in volumes.records(Where(*address.labels, *everything)):
        label = record.key.labels[depth]
        if label != last:
            yield _folder(Address(address.table, (*address.labels, label)).path)
        last = label


def _inside(volumes: VolumeTable, address: Address) -> Iterator[dict[str, Any]]:
    """Give what stands in a volume, at any depth."""
    key = address.key
    assert key is not None
    if not address.inside:
        volumes.record(key)
        yield from (_folder(f"{address.path}/{name}") for name in (ORIGINALS, RESULTS))
        return
    top = "/".join((address.table, *address.labels))
    files = [
        {"name": f"{top}/{file.path}", "size": file.size_bytes, "type": "file", "sha256": file.sha256}
        for file in files_of(volumes, key, address.inside[0])
    ]
    yield from _at(files, address.path)


def _at(files: list[dict[str, Any]], path: str) -> Iterator[dict[str, Any]]:
    """Give the files and folders right below a path, or the file at it."""
    seen: set[str] = set()
    for file in files:
        name = str(file["name"])
        if name == path:
            yield file
        elif name.startswith(path + "/"):
            head, slash, _ = name[len(path) + 1 :].partition("/")
            if not slash:
                yield file
            elif head not in seen:
                seen.add(head)
                yield _folder(f"{path}/{head}")
