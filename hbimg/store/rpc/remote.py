"""What an HBase server's exception means: the error of ours, and what a caller does about it."""

from __future__ import annotations

from enum import Enum

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.store.hbase_address import Server
from hbimg.store.hbase_errors import sort_server_text


class Reaction(Enum):
    """What to do when a server threw an exception."""

    FAIL = "tell the user"
    AGAIN = "ask again a little later"
    ELSEWHERE = "find out where the region is, and ask there"
    RESCAN = "open a new scanner behind the last row"


_REACTIONS = {
    Reaction.ELSEWHERE: (
        "NotServingRegionException",
        "RegionMovedException",
        "RegionOpeningException",
        "RegionServerStoppedException",
        "RegionServerAbortedException",
        "RegionOfflineException",
        "UnknownRegionException",
        "WrongRegionException",
        "FailedServerException",
        "ServerNotRunningYetException",
        "PleaseHoldException",
        "MasterNotRunningException",
        "MasterStoppedException",
    ),
    Reaction.RESCAN: (
        "UnknownScannerException",
        "ScannerResetException",
        "OutOfOrderScannerNextException",
        "LeaseException",
        "LeaseStillHeldException",
    ),
    Reaction.AGAIN: (
        "RegionTooBusyException",
        "CallQueueTooBigException",
        "ServerTooBusyException",
        "CallDroppedException",
        "RpcThrottlingException",
        "CallTimeoutException",
        "CallTimedOutException",
        "TimeoutIOException",
        "RegionInRecoveryException",
    ),
}
_REACTION_TO = {name: reaction for reaction, names in _REACTIONS.items() for name in names}


class RemoteError(Exception):
    """A server's exception, before it is made one of hbimg's: it never leaves this package.

    Attributes
    ----------
    java_class : str
        The full name of its class.
    text : str
        Its text; a stack trace may follow on further lines.
    server : Server
    do_not_retry : bool
        Whether the server itself says that another try is no use.
    """

    def __init__(self, java_class: str, text: str, server: Server, *, do_not_retry: bool = False) -> None:
        super().__init__(java_class)
        self.java_class = java_class
        self.text = text
        self.server = server
        self.do_not_retry = do_not_retry

    @property
    def reaction(self) -> Reaction:
        """What to do about it."""
        known = _REACTION_TO.get(self.java_class.rpartition(".")[2])
        if known is not None:
            return known
        return Reaction.FAIL if self.do_not_retry else Reaction.AGAIN

    def sorted(self, doing: str, table: str | None = None) -> StoreError:
        """Give the error of ours; `doing` says what was done, `table` is the table's name in HBase."""
        text = self.text if self.text.startswith(self.java_class) else f"{self.java_class}: {self.text}"
        return sort_server_text(text, f"{doing} at {self.server}", table)


def told(error: RemoteError | StoreError, doing: str, table: str | None = None) -> tuple[StoreError, Reaction]:
    """Give the error that a user may see, and what to do: where nobody answered, the region may be elsewhere now."""
    if isinstance(error, RemoteError):
        return error.sorted(doing, table), error.reaction
    elsewhere = isinstance(error, StoreUnavailableError)
    return error, Reaction.ELSEWHERE if elsewhere else Reaction.FAIL
