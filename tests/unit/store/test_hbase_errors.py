"""Every error of Thrift, of HBase and of the network becomes exactly one of ours."""

from __future__ import annotations

import socket
import struct

import pytest
import thriftpy2.protocol.exc
import thriftpy2.thrift
import thriftpy2.transport.base
from thriftpy2.protocol.cybin.cybin import ProtocolError
from thriftpy2.protocol.exc import TProtocolException
from thriftpy2.thrift import TApplicationException, TDecodeException, TException
from thriftpy2.transport.base import TTransportException

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
from hbimg.store.hbase_address import Server
from hbimg.store.hbase_errors import PASSING, SERVER_TEXTS, sort_server_text
from hbimg.store.thrift import api, translate, translated

SERVER = Server("head", 9090)
PACKAGE = "org.apache.hadoop.hbase."

#: What may happen, and what it must become.
ROWS = [
    (TTransportException(TTransportException.NOT_OPEN, "Could not connect"), StoreUnavailableError),
    (TTransportException(TTransportException.END_OF_FILE, "TSocket read 0 bytes"), StoreUnavailableError),
    (TProtocolException(TProtocolException.BAD_VERSION), StoreUnavailableError),
    (ProtocolError("No protocol version header"), StoreUnavailableError),
    (TApplicationException(TApplicationException.UNKNOWN_METHOD, "Invalid method name"), StoreUnavailableError),
    (TApplicationException(TApplicationException.BAD_SEQUENCE_ID), StoreUnavailableError),
    (TApplicationException(TApplicationException.MISSING_RESULT), StoreUnavailableError),
    (TApplicationException(TApplicationException.INTERNAL_ERROR, "Internal error processing get"), StoreError),
    (TDecodeException("TResult", 1, "row", 1, 11), StoreError),
    (TException(), StoreError),
    (ConnectionRefusedError(111, "Connection refused"), StoreUnavailableError),
    (ConnectionResetError(104, "Connection reset by peer"), StoreUnavailableError),
    (BrokenPipeError(32, "Broken pipe"), StoreUnavailableError),
    (OSError(113, "No route to host"), StoreUnavailableError),
    (TimeoutError("timed out"), StoreUnavailableError),
    (socket.gaierror(-2, "Name or service not known"), StoreUnavailableError),
    (EOFError(), StoreUnavailableError),
    (struct.error("unpack requires 4 bytes"), StoreUnavailableError),
    (ValueError("negative count"), StoreUnavailableError),
    (MemoryError(), StoreUnavailableError),
    (RecursionError("too deep"), StoreUnavailableError),
    (api.TIllegalArgument(message="scanner id"), StoreError),
    (api.TIOError(), StoreError),
    (api.TIOError(message="something new"), StoreError),
    (api.TIOError(message="lab:t"), TableNotFoundError),
    (api.TIOError(message=PACKAGE + "TableNotFoundException: t"), TableNotFoundError),
    (api.TIOError(message=PACKAGE + "NamespaceNotFoundException: lab"), TableNotFoundError),
    (api.TIOError(message=PACKAGE + "TableExistsException: t"), TableExistsError),
    (api.TIOError(message=PACKAGE + "TableNotEnabledException: t is disabled."), StoreError),
    (api.TIOError(message=PACKAGE + "regionserver.NoSuchColumnFamilyException: Column family x"), TableFormatError),
    (api.TIOError(message=PACKAGE + "security.AccessDeniedException: Insufficient permissions"), StorePermissionError),
    (api.TIOError(message="org.apache.hadoop.security.AccessControlException: denied"), StorePermissionError),
    (api.TIOError(message="Cell[a/b:c] with size 11000000 exceeds limit of 10485760 bytes"), CellTooLargeError),
    (TApplicationException(TApplicationException.INTERNAL_ERROR, "KeyValue size too large"), CellTooLargeError),
    (api.TIOError(message="org.apache.hadoop.hdfs.protocol.DSQuotaExceededException: The"), StoreFullError),
    (api.TIOError(message="File /hbase/x could only be written to 0 of the 1 minReplication"), StoreFullError),
    (api.TIOError(message=PACKAGE + "quotas.SpaceLimitingException: NO_WRITES"), StoreFullError),
    (api.TIOError(message=PACKAGE + "RegionTooBusyException: Over memstore limit=512.0 M"), StoreBusyError),
    (api.TIOError(message=PACKAGE + "CallQueueTooBigException: Call queue is full"), StoreBusyError),
    (api.TIOError(message=PACKAGE + "PleaseHoldException: Master is initializing"), StoreUnavailableError),
    (api.TIOError(message=PACKAGE + "NotServingRegionException: t,,1 is not online"), StoreUnavailableError),
    (api.TIOError(message=b"Failed after attempts=21, exceptions: java.net.ConnectException"), StoreUnavailableError),
]


@pytest.mark.parametrize(("error", "kind"), ROWS, ids=lambda value: getattr(value, "__name__", str(value)[:60]))
def test_each_error_becomes_one_of_ours(error, kind):
    with pytest.raises(StoreError) as caught, translated(SERVER, "reading table 't'", "lab:t"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_our_own_errors_pass_unchanged():
    ours = StoreUnavailableError("as it was")  # an OSError too, by its parent
    with pytest.raises(StoreUnavailableError) as caught, translated(SERVER, "reading"):
        raise ours
    assert caught.value is ours


def test_errors_of_programs_are_not_hidden():
    with pytest.raises(TypeError), translated(SERVER, "reading"):
        raise TypeError("a mistake of ours")


def test_no_exception_of_hbases_interface_is_forgotten():
    """Each exception that a method declares is one that a test above has, and is not answered by the last line."""
    declared = set()
    for name in api.THBaseService.thrift_services:
        for number, spec in getattr(api.THBaseService, name + "_result").thrift_spec.items():
            if number:  # 0 is the answer
                declared.add(spec[2])
    defined = {thing for thing in vars(api).values() if isinstance(thing, type) and issubclass(thing, TException)}
    assert defined - {api.TIllegalArgument} == declared == {api.TIOError}
    assert defined <= {type(error) for error, _ in ROWS}
    for kind in defined:
        assert "HBase says" in str(translate(kind(message="unheard of"), SERVER, "reading"))


def test_no_exception_of_the_library_is_forgotten():
    modules = (thriftpy2.thrift, thriftpy2.transport.base, thriftpy2.protocol.exc)
    known = {type(error) for error, _ in ROWS}
    for module in modules:
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, Exception) and thing.__module__.startswith("thriftpy2"):
                assert thing in known, thing


@pytest.mark.parametrize("phrase", [phrase for phrases, _, _ in SERVER_TEXTS for phrase in phrases])
def test_each_phrase_is_reached(phrase):
    """No phrase is shadowed by an earlier line of the table."""
    kind, fix = next((kind, fix) for phrases, kind, fix in SERVER_TEXTS if phrase in phrases)
    found = sort_server_text(f"java: {phrase} x", "doing")
    assert type(found) is kind
    assert str(found).endswith(fix)


def test_what_passes_is_tried_again_and_nothing_else():
    assert set(PASSING) == {StoreUnavailableError, StoreBusyError}


def test_a_stack_trace_is_cut_off():
    text = "java.io.IOException: broken\n\tat org.apache.Foo.bar(Foo.java:1)\n\tat org.apache.Foo.baz(Foo.java:2)"
    assert str(sort_server_text(text, "reading")) == "reading: HBase says java.io.IOException: broken"
