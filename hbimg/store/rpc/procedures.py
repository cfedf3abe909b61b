"""What the master does in steps that take a while: started once however often it is asked, and waited for."""

from __future__ import annotations

import secrets
from time import monotonic, sleep
from typing import Any

from google.protobuf.message import Message

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.store.hbase_errors import sort_server_text
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cluster import Cluster

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5


def run_procedure(cluster: Cluster, method: str, request: Any, doing: str, table: str | None = None) -> None:
    """Have the active master do something, and wait until it is done.

    The request carries a number of its own, so that it is done once though it is asked again after a lost answer.

    Parameters
    ----------
    cluster : Cluster
    method : str
        Of the master, with a ProcedureResponse for an answer.
    request : Message
        With the fields `nonce_group` and `nonce`, which are set here.
    doing : str
        What is done, for an error.
    table : str, optional
        The table's name in HBase.

    Raises
    ------
    StoreError
        If it failed, or is not done within the cluster's `wait_s`.
    """
    request.nonce_group, request.nonce = secrets.randbits(62) + 1, secrets.randbits(62) + 1
    answer = cluster.call_master(method, request, pb.ProcedureResponse, doing, table)
    wait_for(cluster, answer.proc_id, doing, table)


def wait_for(cluster: Cluster, procedure: int, doing: str, table: str | None = None) -> None:
    """Wait until a procedure of the master is done.

    Raises
    ------
    StoreError
        If it failed, or is not done within the cluster's `wait_s`.
    """
    deadline = monotonic() + cluster.wait_s
    pause = _FIRST_PAUSE_S
    question: Message = pb.GetProcedureResultRequest(proc_id=procedure)
    while True:
        found = cluster.call_master("getProcedureResult", question, pb.GetProcedureResultResponse, doing, table)
        if found.state == pb.GetProcedureResultResponse.FINISHED:
            if found.HasField("exception"):
                raise _failure(found.exception, doing, table)
            return
        if found.state == pb.GetProcedureResultResponse.NOT_FOUND:
            return  # HBase forgets what has been done for a while
        if monotonic() > deadline:
            raise StoreUnavailableError(
                f"{doing}: HBase is not done after {cluster.wait_s:g} s (procedure {procedure}): see its master page"
            )
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def _failure(thrown: pb.ForeignExceptionMessage, doing: str, table: str | None) -> StoreError:
    generic = thrown.generic_exception
    text = (
        generic.message
        if generic.message.startswith(generic.class_name)
        else f"{generic.class_name}: {generic.message}"
    )
    return sort_server_text(text, doing, table)
