"""Splits that wait for a worker, by the server that holds them: a worker takes those of its own server first."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable

from hbimg.mapreduce.splits import Split
from hbimg.model import VolumeKey

Keys = tuple[VolumeKey, ...]


class WaitingSplits:
    """A queue for each server.

    Parameters
    ----------
    splits : iterable of Split
    servers : collection of str
        Names of the workers' servers; without any, all workers are alike.
    stealing : bool
        Whether a worker that has nothing to do takes what lies on another server, from where most is left.
    """

    def __init__(self, splits: Iterable[Split], servers: Collection[str] = (), *, stealing: bool = True) -> None:
        self._by_server = bool(servers)
        self._stealing = stealing
        self._queues: defaultdict[str, deque[Keys]] = defaultdict(deque)
        for split in splits:
            # What lies on a server that no worker has would never be done without stealing.
            known = self._by_server and split.server in servers
            self._queues[split.server if known else ""].append(split.keys)

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def own(self, server: str) -> int:
        """Give how many splits wait that lie on this server."""
        return len(self._queues[server])

    def can_take(self, server: str) -> bool:
        """Whether a worker of this server would get a split."""
        return bool(self._source(server))

    def take(self, server: str) -> Keys:
        """Give the next split for a worker of this server; empty if there is none for it."""
        queue = self._source(server)
        if not queue:
            return ()
        # From the end, where another server's own workers come last.
        return queue.popleft() if queue is self._queues[server] else queue.pop()

    def _source(self, server: str) -> deque[Keys]:
        if self._queues[server]:
            return self._queues[server]
        if self._queues[""] or not self._stealing:
            return self._queues[""]
        return max(self._queues.values(), key=len)

    def put_back(self, server: str, keys: Keys) -> None:
        """Take back what a worker of this server did not come to."""
        self._queues[server if self._by_server else ""].appendleft(keys)
