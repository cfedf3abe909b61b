"""The wire to one HBase server: requests, answers, and cell blocks received with no copy into buffers of the caller's.

A frame is its length (4 bytes), a header and a message (each a varint length and protobuf), and a cell block. What a
server promises is never allocated before it has come: lengths are checked against the frame, the frame against a limit.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.store.hbase_address import Server
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.login import SimpleLogin
from hbimg.store.rpc.remote import RemoteError

MessageT = TypeVar("MessageT", bound=Message)
Part = bytes | bytearray | memoryview

CODEC = "org.apache.hadoop.hbase.codec.KeyValueCodec"
#: Largest frame that is believed: HBase itself gives a scanner at most 100 MB, and one cell more.
MAX_FRAME_BYTES = 192 << 20
#: Largest header or message beside the cells; a listing of 10,000 regions has some MB.
MAX_MESSAGE_BYTES = 64 << 20
CONNECT_S = 5.0
#: How often a wait looks at the time, in seconds; also the most that it lasts over its limit.
_TICK_S = 1.0
_BUFFER_BYTES = 4096
#: How much is asked for beyond what is needed: more of it would be pixels, to be copied once more.
_AHEAD_BYTES = 256
#: Linux takes 1,024 pieces in one call.
_PIECES = 512
_LENGTH = struct.Struct(">I")


class Patience(NamedTuple):
    """Time limits in seconds: to connect, and for one answer."""

    connect_s: float = CONNECT_S
    answer_s: float = 60.0


class Connection:
    """An open connection to one service of one server, with at most one call under way. Not for several threads.

    Attributes
    ----------
    server : Server
    service : str
        HBase's name of it: ``ClientService``, ``AdminService``, ``MasterService``, ``ClientMetaService``.
    broken : bool
        Whether it cannot be used any more.
    pending : int
        How many answers have not been received, or not to their end.
    used_at : float
        When it was last used, by the monotonic clock.
    """

    def __init__(self, server: Server, service: str, login: SimpleLogin, patience: Patience) -> None:
        self.server = server
        self.service = service
        self.broken = False
        self.pending = 0
        self._answer_s = patience.answer_s
        self._call_id = 0
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._start = self._end = 0
        self._left = 0  # bytes of the answer's frame that were not taken yet
        try:
            self._socket = login.open(server, patience.connect_s)
        except OSError as error:
            raise _unavailable(server, error, "connecting") from error
        self._is_tls = isinstance(self._socket, ssl.SSLSocket)
        self._set_tick(min(_TICK_S, patience.answer_s))
        header = pb.ConnectionHeader(service_name=service, cell_block_codec_class=CODEC)
        header.user_info.effective_user = login.user
        text = header.SerializeToString()
        self._send([_LENGTH.pack(len(text)) + text])
        self.used_at = monotonic()

    def _set_tick(self, tick_s: float) -> None:
        if self._is_tls:
            self._socket.settimeout(tick_s)
            return
        # A blocking socket receives a whole cell in one call; the kernel looks at the clock.
        self._socket.settimeout(None)
        timeval = struct.pack("@ll", int(tick_s), int(tick_s % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    # -- asking ------------------------------------------------------------------------------------------------------

    def call(self, method: str, request: Message, kind: type[MessageT], cells: Sequence[Part] = ()) -> MessageT:
        """Call a method whose answer has no cells.

        Raises
        ------
        RemoteError
            If the server threw an exception; the connection stays in step.
        StoreUnavailableError
            If the connection broke, nothing came in time, or what came is no answer.
        """
        self.ask(method, request, cells)
        answer, size_bytes = self.answer(kind)
        if size_bytes:
            raise self._nonsense(f"{method} gave {size_bytes} bytes of cells")
        return answer

    def ask(self, method: str, request: Message, cells: Sequence[Part] = ()) -> None:
        """Send a request with a cell block of the given parts; `answer` has to follow before the next one."""
        self._call_id += 1
        header = pb.RequestHeader(call_id=self._call_id, method_name=method, request_param=True)
        header.timeout = int(self._answer_s * 1000)
        size_bytes = sum(memoryview(part).nbytes for part in cells)
        if size_bytes:
            header.cell_block_meta.length = size_bytes
        body = _delimited(header) + _delimited(request)
        self.pending += 1
        self._send([_LENGTH.pack(len(body) + size_bytes) + body, *cells])

    def answer(self, kind: type[MessageT]) -> tuple[MessageT, int]:
        """Receive an answer up to its cells, and give it with the bytes of the cell block, which is received next."""
        if self._left:
            raise self._nonsense(f"{self._left:,} bytes of cells were not announced")
        self._waited = 0.0
        self._left = 4
        (self._left,) = _LENGTH.unpack(self._take(4))
        if not 0 < self._left <= MAX_FRAME_BYTES:
            raise self._nonsense(f"it promises a frame of {self._left:,} bytes")
        header = self._message(pb.ResponseHeader)
        if header.HasField("exception"):
            # What may follow an exception is not looked at: some HBase versions send an empty message.
            self._skip()
            self._done()
            thrown = header.exception
            raise RemoteError(
                thrown.exception_class_name, thrown.stack_trace, self.server, do_not_retry=thrown.do_not_retry
            )
        if header.call_id != self._call_id:
            raise self._nonsense(f"it answers call {header.call_id}, asked was {self._call_id}")
        message = self._message(kind)
        size_bytes = header.cell_block_meta.length
        if size_bytes != self._left:
            raise self._nonsense(f"{self._left:,} bytes follow where {size_bytes:,} bytes of cells should")
        if not size_bytes:
            self._done()
        return message, size_bytes

    def receive(self, target: memoryview) -> None:
        """Receive the next bytes of the cell block, as many as `target` has."""
        length = len(target)
        if length > self._left:
            raise self._nonsense(f"a cell goes on for {length - self._left:,} bytes behind the end of its block")
        self._left -= length
        ready = min(length, self._end - self._start)
        if ready:
            target[:ready] = self._buffer[self._start : self._start + ready]
            self._start += ready
        while ready < length:
            ready += self._receive_some(target[ready:], whole=True)
        if not self._left:
            self._done()

    def peek(self, length: int) -> memoryview:
        """Give the next bytes of the cell block without taking them: a view, valid until the next call."""
        if length > min(self._left, _BUFFER_BYTES):
            raise self._nonsense(f"a cell's key of {length:,} bytes does not fit what is left, {self._left:,}")
        if self._end - self._start < length:
            self._fill(length, min(self._left, length + _AHEAD_BYTES, _BUFFER_BYTES))
        return self._buffer[self._start : self._start + length]

    def skip(self, length: int) -> None:
        """Take bytes that were peeked at."""
        self._start += length
        self._left -= length
        if not self._left:
            self._done()

    def close(self) -> None:
        """Close the socket."""
        self.broken = True
        self._socket.close()

    # -- pieces of an answer -----------------------------------------------------------------------------------------

    def _done(self) -> None:
        self.pending -= 1
        self.used_at = monotonic()

    def _message(self, kind: type[MessageT]) -> MessageT:
        length = self._varint()
        if length > min(self._left, MAX_MESSAGE_BYTES):
            raise self._nonsense(f"a message of {length:,} bytes does not fit its frame")
        try:
            return kind.FromString(self._take(length))
        except (DecodeError, UnicodeDecodeError) as error:
            raise self._nonsense(f"no {kind.__name__} ({error})") from error

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            (byte,) = self._take(1)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise self._nonsense("a length goes on and on")

    def _take(self, length: int) -> bytes:
        if length > self._left:
            raise self._nonsense("a frame ends in the middle")
        if length <= _BUFFER_BYTES:
            if self._end - self._start < length:
                self._fill(length, min(max(length, _AHEAD_BYTES), _BUFFER_BYTES))
            taken = bytes(self._buffer[self._start : self._start + length])
            self._start += length
            self._left -= length
            return taken
        # Grows as it comes: a server that promises much and sends nothing gets nothing.
        grown = bytearray()
        while len(grown) < length:
            piece = bytearray(min(length - len(grown), 1 << 20))
            self.receive(memoryview(piece))
            grown += piece
        return bytes(grown)

    def _skip(self) -> None:
        while self._left:
            self._take(min(self._left, _BUFFER_BYTES))

    def _fill(self, needed: int, wanted: int) -> None:
        """Have at least `needed` bytes in the buffer, and at most `wanted` if they are not there already."""
        held = self._end - self._start
        if self._start:
            self._buffer[:held] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, held
        while self._end < needed:
            self._end += self._receive_some(self._buffer[self._end : max(needed, wanted)])

    # -- bytes -------------------------------------------------------------------------------------------------------

    def _receive_some(self, target: memoryview, *, whole: bool = False) -> int:
        """Receive at least one byte; `whole`: better all that fit."""
        while True:
            began = monotonic()
            try:
                if self._is_tls:
                    count = self._socket.recv_into(target)
                else:
                    count = self._socket.recv_into(target, 0, socket.MSG_WAITALL if whole else 0)
            except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
                count = -1
            except OSError as error:
                raise self._broke(error) from error
            self._waited += monotonic() - began
            if count > 0 and self._waited <= self._answer_s:
                return count
            if count == 0:
                raise self._broke(ConnectionResetError("it hung up"))
            if self._waited > self._answer_s:
                raise self._broke(TimeoutError(f"{self._answer_s:g} s"))

    def _send(self, parts: Sequence[Part]) -> None:
        self._waited = 0.0
        views = [memoryview(part).cast("B") for part in parts if len(part)]
        first = 0
        while first < len(views):
            began = monotonic()
            try:
                sent = self._send_some(views[first : first + _PIECES])
            except (BlockingIOError, TimeoutError, ssl.SSLWantWriteError):
                sent = 0
            except OSError as error:
                raise self._broke(error) from error
            self._waited += monotonic() - began
            if self._waited > self._answer_s:
                raise self._broke(TimeoutError(f"{self._answer_s:g} s"))
            while first < len(views) and sent >= len(views[first]):
                sent -= len(views[first])
                first += 1
            if sent:
                views[first] = views[first][sent:]

    def _send_some(self, views: list[memoryview]) -> int:
        return self._socket.send(views[0]) if self._is_tls else self._socket.sendmsg(views)

    # -- errors ------------------------------------------------------------------------------------------------------

    def _nonsense(self, why: str) -> StoreError:
        self.close()
        return StoreUnavailableError(
            f"{self.server}: the answer is none of HBase's RPC: {why}; see whether a server of HBase listens there"
        )

    def _broke(self, error: OSError) -> StoreError:
        self.close()
        return _unavailable(self.server, error, "asking")


def _delimited(message: Message) -> bytes:
    text = message.SerializeToString()
    length, prefix = len(text), bytearray()
    while length > 127:
        prefix.append(length & 127 | 128)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + text


_MEANINGS: tuple[tuple[type[OSError], str], ...] = (
    (TimeoutError, "no answer in time; see whether HBase's servers run, or raise timeout_s"),
    (ConnectionRefusedError, "nothing listens there; see whether HBase's servers run"),
    (ssl.SSLCertVerificationError, "its certificate is not believed; give the authority with tls_ca="),
    (ssl.SSLError, "TLS failed; see whether the server has hbase.server.netty.tls.enabled, and give tls=yes or tls=no"),
    (socket.gaierror, "there is no such host; see whether this machine knows the cluster's names"),
    (OSError, "the connection broke; see whether HBase's servers run"),
)


def _unavailable(server: Server, error: OSError, doing: str) -> StoreUnavailableError:
    meaning = next(meaning for kind, meaning in _MEANINGS if isinstance(error, kind))
    details: Any = error.strerror or error
    return StoreUnavailableError(f"{doing} at {server}: {meaning} ({details})")
