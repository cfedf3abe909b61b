"""What the executor asks of a store: to look at a table's regions, and to change them one step at a time.

`embedded` does it for stores on one machine, `hbase` for HBase; `hbimg.testing.layouts` holds them to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from hbimg.allocation.state import Action, TableState
from hbimg.errors import StoreError

Told = Callable[[str], None]
"""Called with words on how far a long step is."""


class LayoutAdmin(ABC):
    """The regions of one table. Each method returns when what it does can be seen, and can be repeated.

    Regions are named by their first key. What is not there, or cannot be done, is a StoreError.
    """

    @abstractmethod
    def state(self) -> TableState:
        """Look at the table as it is now."""

    @abstractmethod
    def split(self, start: bytes, cut: bytes) -> None:
        """Make a border in a region; both parts stay on its server."""

    @abstractmethod
    def merge(self, start: bytes) -> None:
        """Take away the border at which a region begins, joining it to the one before it."""

    @abstractmethod
    def move(self, start: bytes, server: str) -> None:
        """Move a region to a server; its bytes stay where they are until it is rewritten."""

    @abstractmethod
    def rewrite(self, starts: Sequence[bytes], told: Told) -> None:
        """Write the bytes of regions anew, so that they lie on the regions' servers."""

    @abstractmethod
    def switch(self, name: str, *, on: bool) -> None:
        """Set one of the switches that `state` tells."""

    def close(self) -> None:
        """Let go of connections."""
        return

    def do(self, action: Action, told: Told) -> None:
        """Do one step."""
        if action.kind == "switch":
            self.switch(action.target, on=action.on)
        elif action.kind == "split":
            self.split(action.starts[0], action.cut)
        elif action.kind == "merge":
            self.merge(action.starts[0])
        elif action.kind == "move":
            self.move(action.starts[0], action.target)
        else:
            self.rewrite(action.starts, told)


def refuse_server(server: str, state: TableState) -> None:
    """Raise StoreError unless a server is up."""
    if server not in state.servers:
        raise StoreError(f"server {server!r} is not up; those that are: {', '.join(state.servers) or 'none'}")
