"""The event loop: one run of a scenario on a grid engine or on hbimg, job by job, for what the closed forms cannot say.

Owns time. A job is a chain of stages: its dispatch gap, reading (network and disk), processing, writing, padding. The
network and, where told, each machine's disk are shared as fluids (`fairshare`), so jobs that fetch at the same moment
slow one another down. Which job runs where is decided in `queues`. Results are in `trace`; repeats in `simulate`.
"""

from __future__ import annotations

import itertools
from array import array
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hbimg.errors import ParameterError
from hbimg.perfmodel.equations import jobs_per_machine
from hbimg.perfmodel.fairshare import FairShare
from hbimg.perfmodel.predict import disk_time, held_bytes
from hbimg.perfmodel.queues import GridDispatcher, JobQueue, LocalDispatcher, StealingRules
from hbimg.perfmodel.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hbimg.perfmodel.parameters import Scenario

System = Literal["grid", "hbimg"]

#: Stages that are no waiting but the noting of a time; see `_Attempt.stages`.
_READ_DONE, _COMPUTE_DONE, _FAIL = "read done", "compute done", "fail"


class _Attempt:
    """One try at one job. `stages` is a stack of (resource or None for a plain delay or a mark, amount)."""

    __slots__ = (
        "compute_end_s",
        "dead",
        "job",
        "local",
        "machine",
        "read_end_s",
        "resource",
        "stages",
        "start_s",
        "weight",
    )

    def __init__(self, job: int, machine: int, local: bool, start_s: float) -> None:
        self.job = job
        self.machine = machine
        self.local = local
        self.start_s = start_s
        self.read_end_s = start_s
        self.compute_end_s = start_s
        self.weight = 1.0
        self.dead = False
        self.resource: FairShare | None = None
        self.stages: list[tuple[Any, float]] = []


def run_once(scenario: Scenario, system: System, rng: np.random.Generator) -> Trace:
    """One run; ParameterError when every machine is lost before the jobs are done."""
    return _Run(scenario, system, rng).go()


class _Run:
    def __init__(self, scenario: Scenario, system: System, rng: np.random.Generator) -> None:
        workload, cluster, scheduling = scenario.workload, scenario.cluster, scenario.scheduling
        self._scenario, self._system, self._rng = scenario, system, rng
        self._jobs = workload.jobs
        self._in = _packed(workload.input_bytes.draw(self._jobs, rng))
        self._out = _packed(workload.output_bytes.draw(self._jobs, rng))
        self._processing = _packed(workload.processing_s.draw(self._jobs, rng))
        self._weight = _packed(
            rng.lognormal(-(scheduling.share_unevenness**2) / 2, scheduling.share_unevenness, self._jobs)
        )
        # Jobs that may take no time at all go through the event queue, or each would start the next one inside itself.
        self._instant = not all(self._processing)
        self._gap_s = scheduling.grid_dispatch_gap_s if system == "grid" else scheduling.map_dispatch_gap_s
        self._now_s = 0.0
        self._sequence = 0
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._network = FairShare(cluster.storage_bytes_per_s, cluster.stream_bytes_per_s)
        racks = {machine.rack for machine in cluster.machines} if cluster.rack_bandwidth_bytes_per_s else set()
        self._racks = {rack: FairShare(cluster.rack_bandwidth_bytes_per_s) for rack in racks}
        self._disks = [FairShare(1.0, 1.0) for _ in cluster.machines] if cluster.shared_disk else None
        disks = [disk_time(scenario, m, held) for m, held in zip(cluster.machines, held_bytes(scenario), strict=True)]
        mean_in, mean_out = workload.input_bytes.mean() or 1.0, workload.output_bytes.mean() or 1.0
        self._disk_s_per_byte = [(disk.read_s / mean_in, disk.write_s / mean_out) for disk in disks]
        self._running: dict[int, dict[_Attempt, None]] | None = {} if scheduling.machine_failures else None
        self._lost: set[int] = set()
        self._left = self._jobs
        self._trace = Trace(self._jobs)
        self._trace.input_bytes, self._trace.output_bytes = self._in, self._out
        self._homes = self._placement()
        self._remote = self._imposed_remote()
        self._dispatcher = self._grid_dispatcher() if system == "grid" else self._local_dispatcher()

    # -- what is where ---------------------------------------------------------------------------------------------

    def _placement(self) -> NDArray[np.int32]:
        """Machine of each job's data, shape (jobs,): runs of neighbours in the shares of equation 4, whole jobs."""
        wanted = np.array(jobs_per_machine(self._jobs, self._scenario.allocation.regions))
        counts = np.floor(wanted).astype(np.int64)
        counts[np.argsort(counts - wanted, kind="stable")[: self._jobs - counts.sum()]] += 1
        homes = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        # Jobs that come over time come from all regions, not from one machine after the other.
        return self._rng.permutation(homes) if self._scenario.workload.release_interval_s else homes

    def _imposed_remote(self) -> NDArray[np.bool_] | None:
        """Maps that read over the network though placed (gamma); with stealing the share comes about by itself."""
        share = self._scenario.allocation.network_share
        if self._system == "grid" or share == 0 or self._scenario.scheduling.stealing != "never":
            return None
        remote = np.zeros(self._jobs, dtype=np.bool_)
        remote[self._rng.permutation(self._jobs)[: round(share * self._jobs)]] = True
        return remote

    def _grid_dispatcher(self) -> GridDispatcher:
        queue = JobQueue() if self._scenario.workload.release_interval_s else JobQueue(0, self._jobs)
        throttle = self._scenario.scheduling.grid_throttle
        most = min(self._scenario.grid_core, throttle) if throttle else self._scenario.grid_core
        return GridDispatcher(queue, self._scenario.slots(), most, self._start)

    def _local_dispatcher(self) -> LocalDispatcher:
        machines = len(self._scenario.cluster.machines)
        if self._scenario.workload.release_interval_s:
            queues = [JobQueue() for _ in range(machines)]
        else:
            borders = np.searchsorted(self._homes, np.arange(machines + 1)).tolist()
            queues = [JobQueue(first, end) for first, end in itertools.pairwise(borders)]
        homes = self._homes
        dispatcher = LocalDispatcher(queues, lambda job: int(homes[job]), self._scenario.slots(), self._start)
        scheduling = self._scenario.scheduling
        dispatcher.rules = StealingRules(
            enabled=scheduling.stealing != "never",
            wait=lambda machine: self._at(self._now_s + scheduling.locality_delay_s, dispatcher.retry, machine),
            worth_it=self._worth_stealing if scheduling.stealing == "when-faster" else lambda _backlog, _victim: True,
        )
        return dispatcher

    def _worth_stealing(self, backlog: float, victim: int) -> bool:
        """Whether waiting for `victim`'s slots takes longer than fetching over the network as busy as it is now."""
        workload, machine = self._scenario.workload, self._scenario.cluster.machines[victim]
        wait_s = backlog * workload.processing_s.mean() / machine.speed
        transfer_s = workload.bytes_per_job * (self._network.active + 1) / self._scenario.cluster.storage_bytes_per_s
        return wait_s > transfer_s

    # -- events ----------------------------------------------------------------------------------------------------

    def go(self) -> Trace:
        names = {machine.name: index for index, machine in enumerate(self._scenario.cluster.machines)}
        for name, at_s in self._scenario.scheduling.machine_failures:
            self._at(at_s, self._lose, names[name])
        interval = self._scenario.workload.release_interval_s
        if interval:
            self._at(interval, self._release, 0)
        self._dispatcher.begin()
        events = self._events
        while self._left:
            if not events:
                raise ParameterError(f"{self._scenario.name}: all machines are lost before the jobs are done")
            self._now_s, _, handler, argument = heappop(events)
            handler(argument)
        self._trace.network_busy_s = self._network.busy_s + sum(rack.busy_s for rack in self._racks.values())
        return self._trace

    def _at(self, time_s: float, handler: Callable[[Any], None], argument: object) -> None:
        self._sequence += 1
        heappush(self._events, (time_s, self._sequence, handler, argument))

    def _release(self, job: int) -> None:
        self._dispatcher.job_ready(job)
        if job + 1 < self._jobs:
            self._at(self._now_s + self._scenario.workload.release_interval_s, self._release, job + 1)

    def _start(self, job: int, machine: int, local: bool) -> None:
        local = local and self._homes[job] == machine and (self._remote is None or not self._remote[job])
        attempt = _Attempt(job, machine, bool(local), self._now_s + self._gap_s)
        self._trace.attempts += 1
        if self._running is not None:
            self._running.setdefault(machine, {})[attempt] = None
        attempt.weight = self._weight[job]
        attempt.stages = self._stages(attempt)
        if self._gap_s or self._instant:
            self._at(attempt.start_s, self._advance, attempt)
        else:
            self._advance(attempt)

    def _stages(self, attempt: _Attempt) -> list[tuple[Any, float]]:
        """The job's chain, last stage first."""
        job, machine = attempt.job, attempt.machine
        compute_s = self._compute_s(job, machine)
        reading: list[tuple[Any, float]] = []
        writing: list[tuple[Any, float]] = []
        if not attempt.local:
            network = self._network_of(attempt)
            reading.append((network, self._in[job]))
            writing.append((network, self._out[job]))
        if self._system == "hbimg":
            per_byte = self._disk_s_per_byte[machine]
            disk = self._disks[machine] if self._disks else None
            reading.append((disk, self._in[job] * per_byte[0]))
            writing.insert(0, (disk, self._out[job] * per_byte[1]))
        failure = self._scenario.scheduling.failure_probability
        if failure and self._rng.random() < failure:
            return [(_FAIL, 0.0), (None, compute_s * self._rng.random()), (_READ_DONE, 0.0), *reversed(reading)]
        return [*reversed(writing), (_COMPUTE_DONE, 0.0), (None, compute_s), (_READ_DONE, 0.0), *reversed(reading)]

    def _compute_s(self, job: int, machine: int) -> float:
        scheduling = self._scenario.scheduling
        compute_s = self._processing[job] / self._scenario.cluster.machines[machine].speed
        if scheduling.straggler_probability and self._rng.random() < scheduling.straggler_probability:
            compute_s *= scheduling.straggler_factor
        return compute_s

    def _network_of(self, attempt: _Attempt) -> FairShare:
        """A map whose data lies in its own rack reads over that rack's switch, where it has one of its own."""
        if not self._racks or self._system == "grid":
            return self._network
        machines = self._scenario.cluster.machines
        here, there = machines[attempt.machine].rack, machines[int(self._homes[attempt.job])].rack
        return self._racks[here] if here == there else self._network

    def _advance(self, attempt: _Attempt) -> None:
        """Begin the next stage of `attempt` that takes time; finish it when there is none."""
        if attempt.dead:
            return
        attempt.resource = None
        while attempt.stages:
            resource, amount = attempt.stages.pop()
            if isinstance(resource, str):
                if not self._note(resource, attempt):
                    return
            elif amount and resource is None:
                self._at(self._now_s + amount, self._advance, attempt)
                return
            elif amount:
                self._enter(resource, amount, attempt)
                return
        self._finish(attempt)

    def _note(self, mark: str, attempt: _Attempt) -> bool:
        """Note the time of a mark; False when the attempt ends with it."""
        if mark is _FAIL:
            self._fail(attempt)
            return False
        if mark is _READ_DONE:
            attempt.read_end_s = self._now_s
        else:
            attempt.compute_end_s = self._now_s
        return True

    def _enter(self, share: FairShare, amount: float, attempt: _Attempt) -> None:
        attempt.resource = share
        share.add(self._now_s, amount, attempt.weight, attempt)
        self._wake(share)

    def _wake(self, share: FairShare) -> None:
        """Have the loop serve `share` when its next transfer ends, unless it wakes earlier anyway."""
        finish_s = share.next_finish_s()
        if finish_s < share.scheduled_s:
            share.scheduled_s = finish_s
            self._at(finish_s, self._serve, share)

    def _serve(self, share: FairShare) -> None:
        if self._now_s >= share.scheduled_s:
            share.scheduled_s = np.inf
        for attempt in share.take_finished(self._now_s):
            self._advance(attempt)  # type: ignore[arg-type]  # only attempts enter a share here
        self._wake(share)

    # -- ends ------------------------------------------------------------------------------------------------------

    def _finish(self, attempt: _Attempt) -> None:
        write_s = self._now_s - attempt.compute_end_s
        padded_end_s = attempt.start_s + self._scenario.workload.pad_to_s
        end_s = max(self._now_s, padded_end_s)
        self._trace.record(attempt, end_s, write_s)
        if end_s > self._now_s:
            self._at(end_s, self._leave, attempt)
        else:
            self._leave(attempt)

    def _leave(self, attempt: _Attempt) -> None:
        if attempt.dead:
            return
        self._left -= 1
        self._free(attempt)

    def _free(self, attempt: _Attempt) -> None:
        if self._running is not None:
            self._running[attempt.machine].pop(attempt, None)
        self._dispatcher.slot_freed(attempt.machine)

    def _fail(self, attempt: _Attempt) -> None:
        self._trace.lost(self._now_s - attempt.start_s)
        self._dispatcher.job_ready(attempt.job)
        self._free(attempt)

    def _lose(self, machine: int) -> None:
        """`machine` is lost: its attempts die now, and their jobs come back when that is noticed."""
        if machine in self._lost:
            return
        self._lost.add(machine)
        noticed_s = self._now_s + self._scenario.scheduling.failure_detection_s
        assert self._running is not None
        for attempt in self._running.pop(machine, {}):
            attempt.dead = True
            if attempt.resource is not None:
                attempt.resource.cancel(self._now_s, attempt.weight)
                self._wake(attempt.resource)
            self._trace.lost(max(0.0, self._now_s - attempt.start_s))
            self._at(noticed_s, self._dispatcher.job_ready, attempt.job)
        for job in self._dispatcher.machine_lost(machine):
            self._at(noticed_s, self._dispatcher.job_ready, job)


def _packed(values: NDArray[np.float64]) -> array[float]:
    """The values as an array of doubles: an eighth of a list's memory, and quicker to index than numpy's."""
    return array("d", np.ascontiguousarray(values, dtype=np.float64).tobytes())
