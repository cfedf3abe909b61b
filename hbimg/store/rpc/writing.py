"""Writes: rows sent in cell blocks to the servers that have their regions, with a bounded number of bytes under way.

What a server refuses for now (busy, region moved, split, ...) is sent again, row by row, until it is written or time is
over; what it refuses for good ends the writing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from hbimg.errors import StoreError, StoreUnavailableError
from hbimg.store.contract import Buffer
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cellblock import encode_put
from hbimg.store.rpc.cluster import CLIENT, Cluster, Persistence
from hbimg.store.rpc.locations import Locations, RegionPlace
from hbimg.store.rpc.remote import Reaction, RemoteError, told

Durability: TypeAlias = pb.MutationProto.Durability
DEFAULT = pb.MutationProto.USE_DEFAULT

#: How many calls of about 4 MiB are under way at once: the next is sent while HBase syncs the last one.
_UNDER_WAY = 3
#: Exceptions of a row that pass, beside those that `remote` knows: HDFS or the log had to be waited for.
_PASSING = ("java.io.IOException", "java.io.InterruptedIOException", "org.apache.hadoop.ipc.RemoteException")


@dataclass(frozen=True, slots=True)
class RowChange:
    """What is done to one row: cells written, or, with None for cells, the row or some of its columns deleted."""

    row: bytes
    cells: Mapping[bytes, Buffer] | None = None
    columns: Sequence[bytes] = ()

    def encode(self, durability: Durability = DEFAULT) -> tuple[pb.MutationProto, list[Buffer]]:
        """Give HBase's structure and the parts of the cell block that go with it."""
        mutation = pb.MutationProto(row=self.row, durability=durability)
        if self.cells is None:
            mutation.mutate_type = pb.MutationProto.DELETE
            for column in self.columns:
                family, _, qualifier = column.partition(b":")
                value = mutation.column_value.add(family=family)
                value.qualifier_value.add(qualifier=qualifier, delete_type=pb.MutationProto.DELETE_MULTIPLE_VERSIONS)
            return mutation, []
        mutation.mutate_type = pb.MutationProto.PUT
        mutation.associated_cell_count = len(self.cells)
        return mutation, list(encode_put(self.row, self.cells))


class _Refused(NamedTuple):
    """A change that was not made, and why."""

    change: RowChange
    place: RegionPlace
    error: RemoteError | StoreError


class Writing:
    """Writes to one HBase's tables. For any number of threads.

    Parameters
    ----------
    cluster : Cluster
    locations : Locations
    written : callable, optional
        Told each region that rows were written to without a log, when they are.
    """

    def __init__(
        self, cluster: Cluster, locations: Locations, written: Callable[[RegionPlace], None] | None = None
    ) -> None:
        self._cluster = cluster
        self._locations = locations
        self._written = written

    def write_batches(
        self,
        table: str,
        batches: Iterable[Sequence[RowChange]],
        durability: Durability = DEFAULT,
    ) -> None:
        """Write batch after batch, some of them at once; where a row is in two of them, in their order.

        Raises
        ------
        StoreError
            Any of the rows may have been written.
        """
        under_way: dict[Future[None], set[bytes]] = {}
        with ThreadPoolExecutor(_UNDER_WAY, "hbimg-write") as threads:
            for batch in batches:
                rows = {change.row for change in batch}
                while len(under_way) >= _UNDER_WAY or any(rows & others for others in under_way.values()):
                    for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                        del under_way[done]
                        done.result()
                under_way[threads.submit(self.write, table, batch, durability)] = rows
            for future in under_way:
                future.result()

    def write(
        self,
        table: str,
        changes: Sequence[RowChange],
        durability: Durability = DEFAULT,
    ) -> None:
        """Make changes to rows, each row's at once, until all are made; StoreError: any may have been made."""
        doing = f"writing to table {table!r}"
        persistence = Persistence(self._cluster.wait_s)
        while changes:
            try:
                refused = list(self._write_once(table, changes, durability))
            except (RemoteError, StoreUnavailableError) as error:  # where regions are could not be found out
                persistence.pause(told(error, doing, table)[0])
                continue
            if not refused:
                return
            ours = self._judge(refused, doing, table)
            if len(refused) < len(changes):
                persistence.restart()
            changes = [refusal.change for refusal in refused]
            persistence.pause(ours)

    def _judge(self, refused: Sequence[_Refused], doing: str, table: str) -> StoreError:
        """Give the error of refused changes; raise it if one of them is refused for good."""
        ours: StoreError | None = None
        for refusal in refused:
            ours, reaction = told(refusal.error, doing, table)
            if reaction is Reaction.FAIL:
                raise ours from refusal.error
            if reaction is Reaction.ELSEWHERE:
                self._locations.forget(refusal.place)
        assert ours is not None
        return ours

    def _write_once(self, table: str, changes: Sequence[RowChange], durability: Durability) -> Iterator[_Refused]:
        by_server: dict[object, dict[RegionPlace, list[RowChange]]] = defaultdict(lambda: defaultdict(list))
        for change in changes:
            place = self._locations.find(table, change.row)
            by_server[place.server][place].append(change)
        for by_region in by_server.values():
            yield from self._write_to_server(by_region, durability)

    def _write_to_server(
        self, by_region: Mapping[RegionPlace, list[RowChange]], durability: Durability
    ) -> Iterator[_Refused]:
        request, cells = _multi_request(by_region, durability)
        first = next(iter(by_region))
        server = first.require_server().server
        try:
            answer = self._cluster.call(server, CLIENT, "Multi", request, pb.MultiResponse, cells)
        except (RemoteError, StoreUnavailableError) as error:
            for place, changes in by_region.items():
                yield from (_Refused(change, place, error) for change in changes)
            return
        if len(answer.regionActionResult) != len(by_region):
            raise StoreUnavailableError(f"{server} answers for other regions than were asked: run again")
        for (place, changes), result in zip(by_region.items(), answer.regionActionResult, strict=True):
            # Where the region as a whole is refused, all of its rows are written again, wherever it is then.
            if self._written and durability == pb.MutationProto.SKIP_WAL and not result.HasField("exception"):
                self._written(place)
            yield from self._refusals(place, changes, result)

    def _refusals(
        self, place: RegionPlace, changes: Sequence[RowChange], result: pb.RegionActionResult
    ) -> Iterator[_Refused]:
        server = place.require_server().server

        def error_of(thrown: pb.NameBytesPair) -> RemoteError:
            # A row's exception comes without the flag that says whether another try is of use.
            final = thrown.name not in _PASSING
            return RemoteError(thrown.name, thrown.value.decode(errors="replace"), server, do_not_retry=final)

        if result.HasField("exception"):
            error = error_of(result.exception)
            yield from (_Refused(change, place, error) for change in changes)
            return
        answered = set()
        for one in result.resultOrException:
            answered.add(one.index)
            if one.HasField("exception") and one.index < len(changes):
                yield _Refused(changes[one.index], place, error_of(one.exception))
        if len(answered) != len(changes):
            raise StoreUnavailableError(f"{server} answers for {len(answered)} of {len(changes)} rows: run again")

    def mutate_if(
        self,
        table: str,
        change: RowChange,
        column: bytes,
        expected: bytes | None,
        durability: Durability,
    ) -> bool:
        """Change a row if a column has a value (None: is absent), and tell whether; a call that may be made twice.

        Raises
        ------
        StoreError
        """
        mutation, cells = change.encode(durability)
        family, _, qualifier = column.partition(b":")
        comparator = pb.BinaryComparator(comparable=pb.ByteArrayComparable(value=expected or b""))
        condition = pb.Condition(row=change.row, family=family, qualifier=qualifier, compare_type=pb.EQUAL)
        condition.comparator.name = "org.apache.hadoop.hbase.filter.BinaryComparator"
        condition.comparator.serialized_comparator = comparator.SerializeToString()
        request = pb.MutateRequest(mutation=mutation, condition=condition)
        return self._on_row(table, change.row, request, cells).processed

    def _on_row(self, table: str, row: bytes, request: pb.MutateRequest, cells: Sequence[Buffer]) -> pb.MutateResponse:
        def attempt() -> pb.MutateResponse:
            place = self._locations.find(table, row)
            request.region.CopyFrom(place.specifier)
            try:
                return self._cluster.call(
                    place.require_server().server, CLIENT, "Mutate", request, pb.MutateResponse, cells
                )
            except (RemoteError, StoreUnavailableError) as error:
                if told(error, "")[1] is Reaction.ELSEWHERE:
                    self._locations.forget(place)
                raise

        return self._cluster.insist(attempt, f"writing to table {table!r}", table)


def _multi_request(
    by_region: Mapping[RegionPlace, list[RowChange]], durability: Durability
) -> tuple[pb.MultiRequest, list[Buffer]]:
    """Give HBase's structure for changes to rows of one server's regions, and the parts of its cell block."""
    request = pb.MultiRequest()
    cells: list[Buffer] = []
    for place, changes in by_region.items():
        action = request.regionAction.add(region=place.specifier)
        for index, change in enumerate(changes):
            mutation, parts = change.encode(durability)
            action.action.add(index=index, mutation=mutation)
            cells += parts
    return request, cells
