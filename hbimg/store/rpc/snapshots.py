"""Snapshots of tables: taken, listed, deleted, and made tables again."""

from __future__ import annotations

from time import monotonic, sleep

from hbimg.errors import StoreUnavailableError
from hbimg.store.rpc import hbase_pb2 as pb
from hbimg.store.rpc.cluster import Cluster
from hbimg.store.rpc.procedures import run_procedure

_PAUSE_S = 0.1


class Snapshots:
    """The snapshots of one HBase. For any number of threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def take(self, table: str, name: str) -> None:
        """Take a snapshot of a table under a new name: what it holds now, kept without a copy; StoreError."""
        taken = pb.SnapshotDescription(name=name, table=table, type=pb.SnapshotDescription.FLUSH)
        taken.version = 2
        doing = f"taking snapshot {name!r} of table {table!r}"
        self._cluster.call_master("Snapshot", pb.SnapshotRequest(snapshot=taken), pb.SnapshotResponse, doing, table)
        deadline = monotonic() + self._cluster.wait_s
        question = pb.IsSnapshotDoneRequest(snapshot=taken)
        while not self._cluster.call_master("IsSnapshotDone", question, pb.IsSnapshotDoneResponse, doing, table).done:
            if monotonic() > deadline:
                raise StoreUnavailableError(f"{doing}: not finished within {self._cluster.wait_s:g} s")
            sleep(_PAUSE_S)

    def all(self) -> dict[str, str]:
        """Give the table of each snapshot, by the snapshot's name; StoreError."""
        request, kind = pb.GetCompletedSnapshotsRequest(), pb.GetCompletedSnapshotsResponse
        return {
            found.name: found.table
            for found in self._cluster.call_master(
                "GetCompletedSnapshots", request, kind, "listing snapshots"
            ).snapshots
        }

    def delete(self, name: str) -> None:
        """Delete a snapshot; StoreError if there is none of that name."""
        request = pb.DeleteSnapshotRequest(snapshot=pb.SnapshotDescription(name=name))
        self._cluster.call_master("DeleteSnapshot", request, pb.DeleteSnapshotResponse, f"deleting snapshot {name!r}")

    def clone(self, name: str, table: str) -> None:
        """Make a new table of what a snapshot holds; StoreError."""
        request = pb.RestoreSnapshotRequest(snapshot=pb.SnapshotDescription(name=name, table=table, version=2))
        run_procedure(self._cluster, "RestoreSnapshot", request, f"making table {table!r} of snapshot {name!r}", table)
