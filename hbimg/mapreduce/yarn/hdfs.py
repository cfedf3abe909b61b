"""The files of a run in HDFS, over WebHDFS: small ones that go along with a job, and what its tasks wrote."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from hbimg.mapreduce.yarn.rest import RestError, fetch, first_that_answers
from hbimg.mapreduce.yarn.site import Site

_NOT_FOUND = 404


class Hdfs:
    """HDFS by the NameNode's web service, as the user who submits."""

    def __init__(self, site: Site) -> None:
        self._user = site.user
        ask = f"/webhdfs/v1/?op=GETFILESTATUS&{urlencode({'user.name': self._user})}"
        self._namenode = first_that_answers(site.namenodes, ask)
        self._root = site.properties["fs.defaultFS"].rstrip("/")

    def url(self, path: str) -> str:
        """Give the ``hdfs:`` URL of a path."""
        return self._root + path

    def home(self) -> str:
        """Give the user's folder."""
        return str(self._ask("/", "GETHOMEDIRECTORY")["Path"])

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        return self._status(path) is not None

    def size(self, path: str) -> int | None:
        """Give the bytes of a file; None if there is none."""
        status = self._status(path)
        return None if status is None else int(status["length"])

    def make_folder(self, path: str, permission: str = "755") -> None:
        """Make a folder and those above it."""
        self._ask(path, "MKDIRS", "PUT", permission=permission)

    def write(self, path: str, content: bytes | Path, permission: str = "644") -> None:
        """Write a file whole, from bytes or a local file; nobody sees a part of it, and one that is there stays."""
        hidden = f"{path}.{secrets.token_hex(4)}.part"
        place = self._ask(hidden, "CREATE", "PUT", overwrite="true", noredirect="true", permission=permission)
        if isinstance(content, Path):
            with content.open("rb") as file:
                fetch(place["Location"], "PUT", file, "application/octet-stream")
        else:
            fetch(place["Location"], "PUT", content, "application/octet-stream")
        if not self._ask(hidden, "RENAME", "PUT", destination=path)["boolean"]:
            self.delete(hidden)  # somebody was faster

    def read(self, path: str) -> bytes:
        """Give the content of a file."""
        return fetch(self._address(path, "OPEN"))

    def names(self, path: str) -> list[str]:
        """Give the names in a folder, sorted; none if there is no folder."""
        try:
            found = self._ask(path, "LISTSTATUS")["FileStatuses"]["FileStatus"]
        except RestError as error:
            if error.status == _NOT_FOUND:
                return []
            raise
        return sorted(item["pathSuffix"] for item in found)

    def delete(self, path: str) -> None:
        """Delete a file, or a folder with all that is in it."""
        self._ask(path, "DELETE", "DELETE", recursive="true")

    def _status(self, path: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._ask(path, "GETFILESTATUS")["FileStatus"]
        except RestError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return found

    def _ask(self, path: str, operation: str, method: str = "GET", **options: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(fetch(self._address(path, operation, **options), method) or b"{}")
        return answer

    def _address(self, path: str, operation: str, **options: str) -> str:
        query = urlencode({"op": operation, "user.name": self._user, **options})
        return f"{self._namenode}/webhdfs/v1{quote(path)}?{query}"
