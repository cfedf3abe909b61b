"""The wire to HBase takes nothing on trust: garbage, cut frames, promises of gigabytes, silence."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbimg.errors import StoreUnavailableError
from hbimg.store.hbase_address import Server
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cellblock import block_buffer, cells_in, next_head
from hbimg.store.rpc.login import SimpleLogin
from hbimg.store.rpc.remote import RemoteError
from hbimg.store.rpc.wire import Connection, Patience

PATIENCE = Patience(1.0, 0.4)
LOGIN = SimpleLogin("tester")


@contextlib.contextmanager
def answering(*pieces, pause_s=0.0, hang=False):
    """A server that takes whatever comes, sends these pieces, and hangs up or keeps silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(2)
                    connection.recv(1 << 16)
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause_s)
                    if hang:
                        ended.wait(5)
                    else:
                        connection.shutdown(socket.SHUT_WR)
                        ended.wait(2)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Server("127.0.0.1", listener.getsockname()[1])
        finally:
            ended.set()
            thread.join()


def asked(server):
    """Ask for a scan and take all of its cells, as a scan does."""
    connection = Connection(server, "ClientService", LOGIN, PATIENCE)
    try:
        connection.ask("Scan", pb.ScanRequest(scanner_id=1))
        answer, size_bytes = connection.answer(pb.ScanResponse)
        block = block_buffer(size_bytes)
        if size_bytes:
            connection.receive(block)
        return answer, list(cells_in(block))
    finally:
        connection.close()


def prefixed(message):
    text = message.SerializeToString()
    assert len(text) < 128
    return bytes([len(text)]) + text


def frame(*, header=None, message=b"\x00", cells=b"", length=None):
    body = prefixed(header or pb.ResponseHeader(call_id=1)) + message + cells
    return struct.pack(">I", len(body) if length is None else length) + body


def with_cells(announced, cells):
    header = pb.ResponseHeader(call_id=1)
    header.cell_block_meta.length = announced
    return frame(header=header, message=prefixed(pb.ScanResponse(scanner_id=7)), cells=cells)


CELL = struct.pack(">IIIH", 8 + 15 + 3, 15, 3, 1) + b"r" + b"\x01" + b"fq" + bytes(9) + b"val"


def test_what_is_right_is_taken():
    with answering(with_cells(len(CELL), CELL)) as server:
        answer, cells = asked(server)
    assert answer.scanner_id == 7
    assert [(row, column, bytes(value)) for row, column, value in cells] == [(b"r", b"f:q", b"val")]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">I", 0),
        struct.pack(">I", (1 << 31) - 1),
        struct.pack(">I", 1 << 31) + b"\x02\x08\x01",
        struct.pack(">I", 150 << 20) + b"\xff\xff\xff\x47",
        struct.pack(">I", 20) + b"\xff" * 20,
        frame(length=100),
        frame(length=1),
        frame(header=pb.ResponseHeader(call_id=2)),
        frame(message=b"\x7f" + b"x" * 5),
        frame(message=b"\x03\xff\xff\xff"),
        with_cells(1 << 31, b""),
        with_cells(len(CELL) + 1, CELL),
        with_cells(5, CELL[:5]),
        with_cells(len(CELL), CELL[:3] + b"\xff" + CELL[4:]),
        with_cells(len(CELL), CELL[:7] + b"\xff" + CELL[8:]),
        with_cells(len(CELL), CELL[:12] + b"\xff\xff" + CELL[14:]),
        with_cells(len(CELL), CELL[:15] + b"\xff" + CELL[16:]),
    ],
)
def test_what_is_no_answer_is_told_in_one_line_and_in_time(answer):
    began = time.monotonic()
    with answering(answer) as server, pytest.raises(StoreUnavailableError) as caught:
        asked(server)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("answer", [b"", b"\0", struct.pack(">I", 1 << 20) + b"\x02\x08\x01"])
def test_silence_ends_in_time(answer):
    began = time.monotonic()
    with answering(answer, hang=True) as server, pytest.raises(StoreUnavailableError, match="timeout_s"):
        asked(server)
    assert time.monotonic() - began < 3


def test_a_trickle_ends_in_time():
    """Every byte comes in time, the whole does not."""
    pieces = [struct.pack(">I", 1000), *[b"\x01"] * 50]
    with answering(*pieces, pause_s=0.05, hang=True) as server, pytest.raises(StoreUnavailableError):
        asked(server)


def test_a_promise_takes_no_memory():
    """A frame of 190 MB that never comes: what is allocated for it is not touched."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    header = pb.ResponseHeader(call_id=1)
    header.cell_block_meta.length = 190_000_000
    message = prefixed(pb.ScanResponse(scanner_id=7))
    promised = 190_000_000 + len(prefixed(header)) + len(message)
    cut = struct.pack(">I", promised) + prefixed(header) + message + bytes(1 << 20)
    with answering(cut) as server, pytest.raises(StoreUnavailableError, match="hung up"):
        asked(server)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "kB"


def test_a_server_that_reads_nothing_ends_a_request_in_time():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server("127.0.0.1", listener.getsockname()[1])
        connection = Connection(server, "ClientService", LOGIN, PATIENCE)
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="no answer in time"):
            connection.ask("Multi", pb.MultiRequest(), [bytes(1 << 20)] * 60)
        assert time.monotonic() - began < 3
        assert connection.broken


def test_an_exception_of_the_server_keeps_the_connection():
    header = pb.ResponseHeader(call_id=1)
    header.exception.exception_class_name = "a.B"
    answers = [frame(header=header, message=b""), frame(header=pb.ResponseHeader(call_id=2))]
    with answering(b"".join(answers)) as server:
        connection = Connection(server, "ClientService", LOGIN, PATIENCE)
        with pytest.raises(RemoteError):
            connection.call("Scan", pb.ScanRequest(), pb.ScanResponse)
        assert not connection.broken
        assert not connection.pending
        assert connection.call("Scan", pb.ScanRequest(), pb.ScanResponse) == pb.ScanResponse()
        connection.close()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60), st.sampled_from(["replace", "cut", "insert"]))
def test_changed_answers_are_taken_or_refused(noise, place, how):
    """Whatever becomes of a good answer: it is one, or an error of ours; never another exception, never a wait."""
    good = with_cells(2 * len(CELL), CELL + CELL)
    changed = {
        "replace": good[:place] + noise + good[place + len(noise) :],
        "cut": good[:place],
        "insert": good[:place] + noise + good[place:],
    }[how]
    began = time.monotonic()
    with answering(changed) as server, contextlib.suppress(StoreUnavailableError, RemoteError):
        asked(server)
    assert time.monotonic() - began < 3


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120))
def test_blocks_of_any_bytes_are_cells_or_refused(block):
    with contextlib.suppress(StoreUnavailableError):
        for row, column, value in cells_in(memoryview(block)):
            assert len(row) + len(column) + len(value) < len(block)


@pytest.mark.parametrize("place", range(16))
def test_a_head_with_wrong_lengths_is_refused_on_its_way(place):
    bad = CELL[:place] + bytes([CELL[place] ^ 0xA5]) + CELL[place + 1 :]
    with answering(with_cells(len(bad), bad)) as server:
        connection = Connection(server, "ClientService", LOGIN, PATIENCE)
        connection.ask("Scan", pb.ScanRequest(scanner_id=1))
        connection.answer(pb.ScanResponse)
        if place == 14:  # a byte of the row itself
            assert next_head(connection).row == bad[14:15]
        else:
            with pytest.raises(StoreUnavailableError):
                next_head(connection)
        connection.close()
