"""YARN and MapReduce by their web services: what the cluster has, how an application is, and how to end it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hbimg.errors import JobError
from hbimg.mapreduce.yarn.rest import RestError, fetch, fetch_json, first_that_answers
from hbimg.mapreduce.yarn.site import Site

#: States of an application after which nothing more comes.
ENDED = ("FINISHED", "FAILED", "KILLED")
_COUNTER_GROUPS = ("hbimg", "org.apache.hadoop.mapreduce.JobCounter")


@dataclass(frozen=True, slots=True)
class Node:
    """A NodeManager: its host, web address, and what it may give to tasks."""

    host: str
    address: str
    memory_mb: int
    cores: int


@dataclass(frozen=True, slots=True)
class Application:
    """An application as the ResourceManager knows it; `state` and `final` in YARN's words."""

    id: str
    name: str
    user: str
    state: str
    final: str
    diagnostics: str

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ENDED

    @property
    def told_its_end(self) -> bool:
        """Whether its application master ended by itself and told the history server: one that is killed does not."""
        return self.state == "FINISHED"

    @property
    def job_id(self) -> str:
        """The MapReduce job's id."""
        return self.id.replace("application_", "job_")


class Cluster:
    """A YARN cluster, as the user who submits.

    Raises
    ------
    JobError
        If no ResourceManager answers.
    """

    def __init__(self, site: Site) -> None:
        self._user = site.user
        self._history = site.history
        try:
            self._manager = first_that_answers(site.resource_managers, "/ws/v1/cluster/info")
        except RestError as error:
            raise JobError(f"YARN does not answer: {error}; run with --engine local, or start YARN") from error

    def nodes(self) -> list[Node]:
        """Give the NodeManagers that run."""
        found = (fetch_json(f"{self._manager}/ws/v1/cluster/nodes?states=RUNNING")["nodes"] or {}).get("node", [])
        return [
            Node(
                node["nodeHostName"],
                node["nodeHTTPAddress"],
                node["usedMemoryMB"] + node["availMemoryMB"],
                node["usedVirtualCores"] + node["availableVirtualCores"],
            )
            for node in found
        ]

    def queues(self) -> set[str]:
        """Give the names of the queues to which one can submit; none if the scheduler does not tell."""
        return set(_leaves(fetch_json(f"{self._manager}/ws/v1/cluster/scheduler")))

    def find(self, tag: str) -> Application | None:
        """Give the application with a tag, if there is one."""
        found = fetch_json(f"{self._manager}/ws/v1/cluster/apps?applicationTags={tag.lower()}")["apps"] or {}
        return next(map(_application, found.get("app", [])), None)

    def application(self, application_id: str) -> Application:
        """Give an application."""
        return _application(fetch_json(f"{self._manager}/ws/v1/cluster/apps/{application_id}")["app"])

    def kill(self, application_id: str) -> None:
        """Kill an application; one that has ended stays as it is."""
        url = f"{self._manager}/ws/v1/cluster/apps/{application_id}/state?user.name={self._user}"
        fetch(url, "PUT", json.dumps({"state": "KILLED"}).encode(), "application/json")

    def job(self, application: Application) -> Any:
        """Give what the application master, or the history server, tells of the job; None while neither knows it."""
        return self._of_job(application, "", "job")

    def counters(self, application: Application) -> dict[str, int]:
        """Give the job's counters of hbimg and of the scheduler, by name; none while they are not known."""
        found = self._of_job(application, "/counters", "jobCounters") or {}
        return {
            counter["name"]: int(counter["totalCounterValue"])
            for group in found.get("counterGroup", ())
            if group["counterGroupName"] in _COUNTER_GROUPS
            for counter in group["counter"]
        }

    def attempts(self, application: Application) -> Iterator[Any]:
        """Give the attempts of all tasks of the job, each with its task's id under ``task``."""
        tasks = (self._of_job(application, "/tasks", "tasks") or {}).get("task", [])

        def of_task(task: Any) -> list[Any]:
            path = f"/tasks/{task['id']}/attempts"
            found = (self._of_job(application, path, "taskAttempts") or {}).get("taskAttempt", [])
            return [{**attempt, "task": task["id"]} for attempt in found]

        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(of_task, tasks):
                yield from found

    def _of_job(self, application: Application, path: str, name: str) -> Any:
        master = f"{self._manager}/proxy/{application.id}/ws/v1/mapreduce/jobs/{application.job_id}"
        history = f"{self._history}/ws/v1/history/mapreduce/jobs/{application.job_id}"
        for url in (history,) if application.has_ended else (master, history):
            try:
                return fetch_json(url + path)[name]
            except (RestError, KeyError, TypeError):
                continue
        return None


def _application(found: Any) -> Application:
    return Application(
        found["id"],
        found["name"],
        found["user"],
        found["state"],
        found["finalStatus"],
        " ".join(str(found.get("diagnostics", "")).split()),
    )


def _leaves(found: Any) -> Iterator[str]:
    """Give the names of the queues without queues below them, whatever the scheduler's form."""
    if isinstance(found, list):
        for item in found:
            yield from _leaves(item)
    elif isinstance(found, dict):
        below = found.get("queues") or found.get("rootQueue") or found.get("childQueues")
        if "queueName" in found and not below:
            yield str(found["queueName"]).rpartition(".")[2]
            yield str(found["queueName"])
        for name in ("scheduler", "schedulerInfo", "rootQueue", "queues", "queue", "childQueues"):
            yield from _leaves(found.get(name))
