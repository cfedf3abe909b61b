"""A run on YARN: submit the job, watch it, gather what its tasks wrote, reduce, record.

All that is needed to go on with a run stands in its record, so another process, or another machine, can follow it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from hbimg.errors import JobError, VolumeNotFoundError
from hbimg.mapreduce.job import Job, ReducingJob
from hbimg.mapreduce.outcomes import Outcome, State
from hbimg.mapreduce.plan import Plan, make_plan
from hbimg.mapreduce.registry import class_path, load_class
from hbimg.mapreduce.run import Progress, Run, RunResult, RunSettings
from hbimg.mapreduce.splits import bytes_to_read
from hbimg.mapreduce.yarn.cluster import Application
from hbimg.mapreduce.yarn.data_nodes import written_by_host
from hbimg.mapreduce.yarn.gather import Gathered, gather, listed_keys, with_lanes
from hbimg.mapreduce.yarn.locality import Witnessed, cluster_part
from hbimg.mapreduce.yarn.order import Order
from hbimg.mapreduce.yarn.prepare import Connected, make_submission
from hbimg.mapreduce.yarn.region_servers import block_locality
from hbimg.mapreduce.yarn.submission import ClusterSettings, Submission
from hbimg.mapreduce.yarn.submit import submit
from hbimg.mapreduce.yarn.trouble import first_trouble
from hbimg.model import VolumeKey
from hbimg.store import Store
from hbimg.volumes import VolumeRecord, VolumeTable, Where, ask_to_stop, forget_stop, is_asked_to_stop, manifest_of

_LOOK_S = 2.0
_HISTORY_S = 30.0
#: Interrupts of the user after which the job is killed, not only asked to stop.
_KILL_AT = 2


class YarnRun(Run):
    """A run whose volumes are worked on by map tasks of YARN."""

    _on_first_interrupt = "the job runs on the cluster; once more kills it"
    _connected: Connected
    _application: Application | None = None
    _submission: Mapping[str, Any] | None = None
    _gathered: Gathered | None = None
    _wished = ""
    _seen: Witnessed | None = None
    _block_locality: Mapping[str, float] = {}

    @classmethod
    def of_record(cls, run: Mapping[str, Any], store: Store, volumes: VolumeTable, **callbacks: Any) -> YarnRun:
        """Make the run again of which a record tells that it goes on, to follow it.

        Raises
        ------
        JobError
            If it does not run on a cluster, or its job cannot be imported here.
        """
        if not run.get("application"):
            raise JobError(f"run {run['id']} is not on a cluster: there is nothing to follow; `hbimg report` shows it")
        job = load_class(run["job_class"]).of_parameters(run["parameters"])
        made = cls(job, store, volumes, settings_of(run, callbacks.pop("on_interrupt", None)), **callbacks)
        made._id = run["id"]
        made._started = run["started_at"]
        made._begin -= time.time() - datetime.fromisoformat(run["started_at"]).timestamp()
        made._outcomes = [Outcome(VolumeKey.parse(key), State(state), reason) for key, state, reason in run["volumes"]]
        made._submission = run["submission"]
        made._block_locality = run["submission"].get("block_locality", {})
        made._workers = run["workers"]
        return made

    def follow(self, application_id: str) -> RunResult:
        """Wait for the end of a run that another process has submitted, and record how it ended."""
        self._connected = Connected.find()
        self._application = self._connected.cluster.application(application_id)
        assert self._submission is not None
        splits = self._submission["splits"]
        progress = Progress(sum(split[1] for split in splits), sum(split[2] for split in splits))
        return self._complete(lambda interrupts: self._follow(progress, interrupts))

    @property
    def is_detached(self) -> bool:
        """Whether the user wants to go on once the job is submitted."""
        return self._settings.cluster is not None and self._settings.cluster.detach

    @property
    def engine(self) -> str:
        return "yarn"

    def _work(self, plan: Plan, interrupts: Callable[[], int]) -> None:
        if not plan.todo:
            return
        records = self._records(plan)
        self._connected = Connected.find()
        submission = self._make(records)
        self._workers = len(submission.splits)
        self._application = submit(submission, self._connected, self._say)
        self._say(f"YARN took the job as {self._application.id}: {len(submission.splits)} map tasks")
        self._save("running")
        if self.is_detached:
            self._left = True
            return
        self._follow(Progress(len(records), sum(map(bytes_to_read, records))), interrupts)

    def describe(self) -> str:
        """Give what would be submitted, as text."""
        plan = make_plan(self._volumes, self._job, self._settings.where, self._result_name, force=self._settings.force)
        if not plan.todo:
            return "nothing would be submitted: no volume needs work"
        self._connected = Connected.find()
        return self._make(self._records(plan)).describe()

    def _make(self, records: Sequence[VolumeRecord]) -> Submission:
        assert self._settings.cluster is not None
        submission = make_submission(
            self._job, self._volumes, records, self._order(), self._connected, self._settings.cluster
        )
        self._note(submission)
        return submission

    def _records(self, plan: Plan) -> list[VolumeRecord]:
        """Give the volumes that tasks read: a reducing job needs the partials of current ones too."""
        if not isinstance(self._job, ReducingJob):
            return plan.todo
        self._outcomes = [outcome for outcome in self._outcomes if outcome.state is not State.CURRENT]
        return sorted([*plan.todo, *plan.current], key=lambda record: record.key)

    def _order(self) -> Order:
        return Order(
            job=class_path(type(self._job)),
            parameters=self._job.parameters(),
            store=self._store.url,
            table=self._volumes.name,
            result_name=self._result_name,
            run_id=self._id,
            force=self._settings.force,
            pad_to_s=self._settings.pad_to_s,
        )

    def _note(self, submission: Submission) -> None:
        hosts = {split.server for split in submission.splits}
        self._block_locality = block_locality(self._store.url, submission.table, hosts)
        self._submission = {
            "block_locality": dict(self._block_locality),
            "folder": submission.folder,
            "settings": asdict(submission.settings),
            "splits": [[split.server, len(split.keys), split.size_bytes] for split in submission.splits],
        }

    def _follow(self, progress: Progress, interrupts: Callable[[], int]) -> None:
        """Wait until the job has ended, and gather what became of the volumes; or leave it when the user says so."""
        assert self._application is not None
        self._on_progress(progress)
        cluster = self._connected.cluster
        asked = killed = False
        while not self._application.has_ended:
            wish = self._wish(interrupts(), asked=asked)
            if wish == "leave":
                self._left = True
                return
            if wish == "kill" and not killed:
                cluster.kill(self._application.id)
                killed = True
            elif wish == "stop" and not asked:
                ask_to_stop(self._volumes, self._id)
                asked = True
            time.sleep(_LOOK_S)
            self._application = cluster.application(self._application.id)
            self._show(progress)
        self._was_stopped = not self._too_many_failed and (
            self._application.final == "KILLED" or is_asked_to_stop(self._volumes, self._id)
        )
        forget_stop(self._volumes, self._id)
        self._gather()

    def _wish(self, interrupts: int, *, asked: bool) -> str:
        """Give what the user wants: go on (''), leave, stop, kill."""
        if interrupts >= _KILL_AT:
            return "kill"
        if self._too_many_failed:
            return "stop"
        if not interrupts or asked:
            return ""
        if not self._wished:
            self._wished = self._settings.on_interrupt()
        return self._wished

    def _show(self, progress: Progress) -> None:
        assert self._application is not None
        job = self._connected.cluster.job(self._application) or {}
        progress.maps = job.get("mapsTotal", progress.maps)
        progress.maps_ended = job.get("mapsCompleted", progress.maps_ended)
        counters = self._connected.cluster.counters(self._application)
        progress.ended = max(progress.ended, counters.get("VOLUMES", 0))
        progress.ended_bytes = max(progress.ended_bytes, counters.get("PLANNED_BYTES", 0))
        progress.failed = self._failed = max(progress.failed, counters.get("FAILED", 0))
        self._on_progress(progress)

    def _gather(self) -> None:
        assert self._application is not None
        assert self._submission is not None
        folder = self._submission["folder"]
        self._gathered = gather(self._connected.hdfs, f"{folder}/out")
        outcomes = with_lanes(self._gathered)
        known = {outcome.key for outcome in outcomes}
        for key in listed_keys(self._connected.hdfs, folder, self._volumes.scheme):
            if key not in known:
                outcomes += self._made_after_all(key)
        self._outcomes += outcomes
        self._seen = self._witnessed(outcomes)
        self._failed = sum(outcome.state is State.FAILED for outcome in outcomes)
        if self._application.final == "FAILED":
            raise JobError(
                f"{self._application.id} failed: {first_trouble(self._connected.cluster, self._application)}"
            )

    def _witnessed(self, outcomes: Sequence[Outcome]) -> Witnessed:
        assert self._application is not None
        assert self._gathered is not None
        cluster = self._connected.cluster
        # The history server hears of a job some seconds after its end; of one whose master was killed, never.
        deadline = time.monotonic() + (_HISTORY_S if self._application.told_its_end else 0)
        while cluster.job(self._application) is None and time.monotonic() < deadline:
            time.sleep(1)
        return Witnessed(
            outcomes,
            self._gathered.tasks,
            list(cluster.attempts(self._application)),
            cluster.counters(self._application),
            self._block_locality,
            int(self._connected.site.properties.get("dfs.replication", "3")),
            written_by_host({task["host"] for task in self._gathered.tasks.values()}),
            time.time(),
        )

    def _report(self, outcomes: list[Outcome]) -> dict[str, Any]:
        report = super()._report(outcomes)
        return report if self._seen is None else {**report, "cluster": cluster_part(self._seen)}

    def _made_after_all(self, key: Any) -> list[Outcome]:
        """Give the outcome of a volume whose task was killed after it had stored the result."""
        try:
            made = manifest_of(self._volumes, key, self._result_name).made
        except VolumeNotFoundError:
            return []
        return [Outcome(key, State.DONE)] if made.get("run") == self._id else []

    def _reduce(self) -> dict[str, str]:
        if not isinstance(self._job, ReducingJob) or self._gathered is None:
            return super()._reduce()
        groups = dict(sorted(self._gathered.groups.items()))
        return {artefact.name: b"".join(artefact.pieces).decode() for artefact in self._job.finalize(groups)}

    def _details(self) -> dict[str, Any]:
        if self._application is None:
            return {}
        return {"application": self._application.id, "submission": self._submission}


def settings_of(run: Mapping[str, Any], on_interrupt: Callable[[], str] | None = None) -> RunSettings:
    """Give the settings of a recorded run."""
    submission = run.get("submission")
    settings = RunSettings(
        where=Where(**run["where"]),
        result_name=run["result"],
        force=run["force"],
        pad_to_s=run["pad_to_s"],
        max_failures=run.get("max_failures"),
        cluster=replace(ClusterSettings(**submission["settings"]), detach=False) if submission else None,
    )
    return replace(settings, on_interrupt=on_interrupt) if on_interrupt else settings


def dry_run(job: Job, store: Store, volumes: VolumeTable, settings: RunSettings) -> str:
    """Give what a run would submit, as text; nothing is sent, and nothing recorded."""
    return YarnRun(job, store, volumes, settings).describe()
