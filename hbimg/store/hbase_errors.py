"""What an HBase server's words mean: its error texts sorted into hbimg's errors, and which of them pass with time.

HBase's Thrift server sends one kind of error with a text; the Java exception that caused it is often, not always,
named in that text. So the text is searched for names and phrases, the most specific first.
"""

from __future__ import annotations

import re

from hbimg.errors import (
    CellTooLargeError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StorePermissionError,
    StoreUnavailableError,
    TableExistsError,
    TableFormatError,
    TableNotFoundError,
)

#: Errors after which the same call may succeed a little later.
PASSING = (StoreUnavailableError, StoreBusyError)

#: Phrases of a server's text, what they mean, and what the user can do. The first line with a phrase in it counts.
SERVER_TEXTS: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (
        ("AccessDeniedException", "AccessControlException", "Insufficient permissions", "Permission denied"),
        StorePermissionError,
        "ask HBase's administrator to grant it (hbase shell: grant 'USER', 'RWC', 'TABLE'; 'RC' is enough to read)",
    ),
    (
        ("exceeds limit of", "RowTooBigException"),
        CellTooLargeError,
        "the limit is the RegionServer's hbase.server.keyvalue.maxsize: hbimg needs 10485760, HBase's default",
    ),
    (
        ("KeyValue size too large",),
        CellTooLargeError,
        "the limit is the Thrift server's hbase.client.keyvalue.maxsize: hbimg needs 10485760, HBase's default",
    ),
    (
        (
            "No space left",
            "NoSpaceLeft",
            "DSQuotaExceeded",
            "NSQuotaExceeded",
            "SpaceLimitingException",
            "QuotaExceededException",
            "could only be written to 0 of the",
        ),
        StoreFullError,
        "free space in HDFS, or have the quota raised, and run again",
    ),
    (("TableNotFoundException",), TableNotFoundError, "`hbimg tables` lists what is there"),
    (
        ("region split is disabled", "region merge is disabled"),
        StoreError,
        "set the table's attribute SPLIT_ENABLED or MERGE_ENABLED to true first",
    ),
    (("TableExistsException",), TableExistsError, "use another name"),
    (
        ("NamespaceNotFoundException", "Namespace not found"),
        TableNotFoundError,
        "make the namespace first (hbase shell: create_namespace)",
    ),
    (("NoSuchColumnFamilyException",), TableFormatError, "somebody changed the table's families; restore them"),
    (
        ("TableNotEnabledException", "is disabled"),
        StoreError,
        "the table is disabled: enable it (hbase shell: enable)",
    ),
    (
        (
            "RegionTooBusyException",
            "CallQueueTooBigException",
            "ServerTooBusyException",
            "RpcThrottlingException",
            "Over memstore limit",
            "Above memstore limit",
        ),
        StoreBusyError,
        "HBase has more to do than it can take: run again later, with fewer --workers",
    ),
    (
        (
            "PleaseHoldException",
            "MasterNotRunningException",
            "ServerNotRunningYetException",
            "MasterRegistryFetchException",
            "NotServingRegionException",
            "RegionMovedException",
            "Region moved to",
            "Backoff time of",
            "RegionOpeningException",
            "RegionServerStoppedException",
            "RegionServerAbortedException",
            "NoServerForRegionException",
            "RegionOfflineException",
            "FailedServerException",
            "ConnectionClosedException",
            "ConnectionClosingException",
            "ConnectException",
            "Connection refused",
            "Connection closed",
            "ConnectionLoss",
            "NoRouteToHost",
            "UnknownHostException",
            "SocketTimeoutException",
            "CallTimeoutException",
            "OperationTimeoutExceeded",
            "RetriesExhausted",
            "Failed after attempts",
        ),
        StoreUnavailableError,
        "see whether HBase's servers run, and run again",
    ),
)
_LONGEST_TEXT = 300


def sort_server_text(text: str, doing: str, table: str | None = None) -> StoreError:
    """Give the error of ours that a server's text means.

    Parameters
    ----------
    text : str
        The message of HBase's error.
    doing : str
        What was asked, with names, e.g. ``reading rows of table 't1' at head:9090``.
    table : str, optional
        The table's name in HBase: some of its errors have nothing but this as their text.
    """
    if table is not None and text.strip() in (table, f"default:{table}"):
        text = f"TableNotFoundException: {text.strip()}"
    for phrases, kind, fix in SERVER_TEXTS:
        if any(phrase in text for phrase in phrases):
            return kind(f"{doing}: {one_line(text)}; {fix}")
    return StoreError(f"{doing}: HBase says {one_line(text) or 'nothing more: look into its Thrift server log'}")


def one_line(text: str) -> str:
    """Give the start of a server's text on one line, without a Java stack trace."""
    text = re.split(r"\n\s*at ", text, maxsplit=1)[0]
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."
