"""The wire to HBase: one connection to a Thrift 2 server, found out, spoken to, and its errors made ours.

The only place that imports thriftpy2. `api` is HBase's interface as hbimg uses it (``hbase.thrift`` beside this file):
its structures are made here and in `hbimg.store.hbase`, and nowhere else.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import thriftpy2
from thriftpy2.protocol import TBinaryProtocol, TCompactProtocol
from thriftpy2.protocol.cybin.cybin import ProtocolError
from thriftpy2.protocol.exc import TProtocolException
from thriftpy2.thrift import TApplicationException, TClient, TException
from thriftpy2.transport import TBufferedTransport, TFramedTransport, TSocket
from thriftpy2.transport.base import TTransportException

from hbimg.errors import HbimgError, StoreError, StoreUnavailableError
from hbimg.store.hbase_address import PROTOCOLS, TRANSPORTS, HBaseAddress, Server
from hbimg.store.hbase_errors import one_line, sort_server_text

api: Any = thriftpy2.load(str(Path(__file__).with_name("hbase.thrift")), module_name="hbimg_hbase_thrift")

_TRANSPORT_CLASSES = {"buffered": TBufferedTransport, "framed": TFramedTransport}
_PROTOCOL_CLASSES = {"binary": TBinaryProtocol, "compact": TCompactProtocol}
#: How long a server may take to accept a connection, and to answer the first question in each packing, in seconds.
CONNECT_S = 5.0
#: What bytes that are no Thrift make of the reader; MemoryError from a length that is none.
_NONSENSE = (ProtocolError, EOFError, struct.error, ValueError, MemoryError, RecursionError)
#: After these errors of a call the connection is still in step.
_ANSWERS = (api.TIOError, api.TIllegalArgument)
#: What else may happen on the wire, the special before the general.
_BROKEN: dict[type[BaseException], str] = {
    TimeoutError: "no answer in time; see whether HBase's servers run, or raise timeout_s",
    ConnectionRefusedError: "nothing listens there; start HBase's Thrift server (`hbase thrift2 start`), or give "
    "the host and port of one, hbase://host:port",
    OSError: "the connection broke; see whether the Thrift server runs",
    TTransportException: "the connection broke; see whether the Thrift server runs, and whether it takes messages of "
    "this size (hbase.regionserver.thrift.framed.max_frame_size_in_mb)",
    **dict.fromkeys((TProtocolException, *_NONSENSE), "the answer is no Thrift message"),
}


class Packing(NamedTuple):
    """How messages are packed: Thrift's transport and protocol."""

    transport: str
    protocol: str


class Connection:
    """An open connection to one Thrift 2 server. Not for several threads at once.

    Attributes
    ----------
    server : Server
    packing : Packing
    broken : bool
        Whether an error left it unusable.
    used_at : float
        When it was last used, by the monotonic clock.
    """

    def __init__(self, server: Server, packing: Packing, timeout_s: float) -> None:
        self.server = server
        self.packing = packing
        self.broken = False
        with translated(server, "connecting"):
            self._socket = socket.create_connection(server, timeout=min(CONNECT_S, timeout_s))
            self._socket.settimeout(timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = _TRANSPORT_CLASSES[packing.transport](TSocket(sock=self._socket))
            protocol = _PROTOCOL_CLASSES[packing.protocol](transport, decode_response=False)
            self._client = TClient(api.THBaseService, protocol)
        self.used_at = monotonic()

    def call(self, method: str, *arguments: Any, doing: str = "", table: str | None = None) -> Any:
        """Call a method of `api.THBaseService`.

        `doing` says in an error what was done, `table` is the table's name in HBase.

        Raises
        ------
        StoreError
            Whatever went wrong; `broken` is set if the connection cannot be used after it.
        """
        self.broken = True
        with translated(self.server, doing or method, table):
            try:
                answer = getattr(self._client, method)(*arguments)
            except _ANSWERS:
                self.broken = False
                raise
            except TApplicationException as error:
                self.broken = not _is_internal(error)
                raise
        self.broken = False
        self.used_at = monotonic()
        return answer

    def set_timeout(self, timeout_s: float) -> None:
        """Bound how long one answer may take, in seconds."""
        self._socket.settimeout(timeout_s)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def connect(server: Server, address: HBaseAddress, packing: Packing | None = None) -> Connection:
    """Connect to a server, find how it packs messages, and make sure that it is HBase's Thrift 2 server.

    Parameters
    ----------
    server : Server
    address : HBaseAddress
        With the packing, where the user chose it, and the timeout.
    packing : Packing or None
        Where it is known already.

    Raises
    ------
    StoreUnavailableError
        If nothing listens there, or something else does.
    """
    if packing is not None:
        candidates = [packing]
    else:
        transports = (address.transport,) if address.transport else TRANSPORTS
        protocols = (address.protocol,) if address.protocol else PROTOCOLS
        candidates = [Packing(*pair) for pair in product(transports, protocols)]
    refusals = []
    for candidate in candidates:
        connection = Connection(server, candidate, address.timeout_s)  # nothing listens: no packing will help
        try:
            connection.set_timeout(min(CONNECT_S, address.timeout_s))
            _check_kind(connection)
            connection.set_timeout(address.timeout_s)
        except StoreUnavailableError as error:
            connection.close()
            refusals.append(f"{candidate.transport}/{candidate.protocol}: {_cause_of(error)}")
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise StoreUnavailableError(
        f"something listens at {server}, but it does not speak HBase's Thrift 2 ({'; '.join(refusals)}): give the "
        "port of a server started with `hbase thrift2 start`, and transport= and protocol= as it has them"
    )


def _check_kind(connection: Connection) -> None:
    kind = connection.call("getThriftServerType", doing="asking what it is")
    if kind != api.TThriftServerType.TWO:
        raise StoreError(
            f"at {connection.server} listens HBase's Thrift 1 server, which has no atomic writes of whole rows: start "
            "the other one beside it (`hbase thrift2 start -p PORT`) and give its port"
        )


def _cause_of(error: BaseException) -> str:
    cause = error.__cause__ or error
    return one_line(_text(getattr(cause, "message", None) or str(cause))) or type(cause).__name__


@contextmanager
def translated(server: Server, doing: str, table: str | None = None) -> Iterator[None]:
    """Turn every error of Thrift, of HBase and of the network into ours."""
    try:
        yield
    except HbimgError:
        raise
    except (TException, OSError, *_NONSENSE) as error:
        raise translate(error, server, doing, table) from error


def translate(error: BaseException, server: Server, doing: str, table: str | None = None) -> StoreError:
    """Give the error of ours for one of Thrift's, HBase's or the system's."""
    where = f"{doing} at {server}"
    text = _text(getattr(error, "message", None) or str(error))
    if isinstance(error, _ANSWERS) or _is_internal(error):
        return sort_server_text(text, where, table)
    if isinstance(error, TApplicationException):
        return StoreUnavailableError(f"{where}: the server does not know what was asked ({one_line(text)})")
    if isinstance(error, socket.gaierror):
        return StoreUnavailableError(f"there is no host {server.host!r} ({error.strerror}): give hbase://host:port")
    for kind, meaning in _BROKEN.items():
        if isinstance(error, kind):
            return StoreUnavailableError(f"{where}: {meaning} ({one_line(text) or type(error).__name__})")
    return StoreError(f"{where}: {type(error).__name__}: {one_line(text)}")


def _is_internal(error: BaseException) -> bool:
    """Whether the server failed inside, in step with us."""
    return isinstance(error, TApplicationException) and error.type == TApplicationException.INTERNAL_ERROR


def _text(message: object) -> str:
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message or "")
