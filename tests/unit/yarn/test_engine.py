"""A run on a cluster as its client sees it: what Ctrl-C means, how it is followed from its record, when it is left."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from hbimg.errors import JobError
from hbimg.mapreduce.jobs.compress import Compress
from hbimg.mapreduce.jobs.stats import Stats
from hbimg.mapreduce.outcomes import State
from hbimg.mapreduce.plan import make_plan
from hbimg.mapreduce.run import RunSettings, run_job
from hbimg.mapreduce.yarn.cluster import Application
from hbimg.mapreduce.yarn.engine import YarnRun, settings_of
from hbimg.mapreduce.yarn.gather import Gathered
from hbimg.mapreduce.yarn.submission import ClusterSettings
from hbimg.mapreduce.yarn.watching import job_line
from hbimg.store import open_store
from hbimg.testing.volumes import store_volumes
from hbimg.volumes import VolumeTable, Where, load_run


@pytest.fixture
def table():
    with open_store("memory:") as store:
        volumes = VolumeTable.create(store, "t")
        store_volumes(volumes, 4)
        yield store, volumes


@pytest.mark.parametrize("answer", ["leave", "stop", "kill"])
def test_the_first_interrupt_asks_once(table, answer):
    asked = []
    settings = RunSettings(cluster=ClusterSettings(), on_interrupt=lambda: asked.append(1) or answer)
    run = YarnRun(Compress(), *table, settings)
    assert run._wish(0, asked=False) == ""
    assert run._wish(1, asked=False) == answer
    assert run._wish(1, asked=False) == answer
    assert len(asked) == 1
    assert run._wish(1, asked=True) == ""  # it is stopping
    assert run._wish(2, asked=True) == "kill"


def test_too_many_failures_stop_it_without_a_question(table):
    run = YarnRun(Compress(), *table, RunSettings(cluster=ClusterSettings(), max_failures=1, on_interrupt=lambda: "x"))
    run._failed = 2
    assert run._wish(1, asked=False) == "stop"


def record_of(table, **more):
    """The record of a run of this machine, made to look as if it went on on a cluster."""
    settings = RunSettings(where=Where.parse("session=ses-1"), pad_to_s=0.01, max_failures=3)
    run = load_run(table[1], run_job(Stats(by="subject"), *table, settings).run_id)
    submission = {"folder": "/x", "settings": asdict(ClusterSettings(queue="q", detach=True)), "splits": [["w", 2, 9]]}
    return {
        **run,
        "state": "running",
        "engine": "yarn",
        "application": "application_1_2",
        "submission": submission,
        **more,
    }


def test_a_run_is_made_again_from_its_record(table):
    run = record_of(table)
    settings = settings_of(run)
    assert (settings.where, settings.pad_to_s, settings.max_failures) == (Where.parse("session=ses-1"), 0.01, 3)
    assert settings.cluster == ClusterSettings(queue="q")  # not detached again
    again = YarnRun.of_record(run, *table, say=print)
    assert again._job == Stats(by="subject")
    assert (again._id, again._started) == (run["id"], run["started_at"])
    assert {outcome.state for outcome in again._outcomes} == {State.DONE}
    with pytest.raises(JobError, match="not on a cluster"):
        YarnRun.of_record({**run, "application": None}, *table)


def test_a_run_of_this_machine_goes_on_here(table):
    assert settings_of(record_of(table, submission=None)).cluster is None


def test_a_reducing_job_takes_current_volumes_along(table):
    run_job(Stats(), *table, RunSettings(where=Where.parse("session=ses-0")))
    for job, taken in ((Stats(), 4), (Compress(), 4)):
        run = YarnRun(job, *table, RunSettings(cluster=ClusterSettings()))
        plan = make_plan(table[1], job, Where(), job.name, force=False)
        run._outcomes = list(plan.settled)
        assert len(run._records(plan)) == taken
        assert not run._outcomes
    assert len(plan.todo) == 4


class FakeCluster:
    def __init__(self, state):
        self.state = state

    def application(self, name):
        return Application(name, "n", "me", self.state, "UNDEFINED", "")

    def counters(self, application):
        return {"VOLUMES": 1}

    def job(self, application):
        return None

    def attempts(self, application):
        return ()


@pytest.mark.parametrize(("state", "waits"), [("KILLED", False), ("FAILED", False), ("FINISHED", True)])
def test_only_a_job_that_ended_by_itself_has_a_history_to_wait_for(table, monkeypatch, state, waits):
    class WaitedError(Exception):
        pass

    def wait(seconds):
        raise WaitedError

    monkeypatch.setattr("hbimg.mapreduce.yarn.engine.time.sleep", wait)
    cluster = FakeCluster(state)
    run = YarnRun(Compress(), *table, RunSettings(cluster=ClusterSettings()))
    run._connected = SimpleNamespace(cluster=cluster, site=SimpleNamespace(properties={}))
    run._application, run._gathered = cluster.application("application_1_2"), Gathered()
    run._block_locality = {}
    if waits:
        with pytest.raises(WaitedError):
            run._witnessed([])
    else:
        assert not run._witnessed([]).attempts


def test_a_list_says_how_each_run_is_now(table):
    run = record_of(table)
    line = job_line(run, FakeCluster("RUNNING"))
    assert (line["state"], line["yarn"], line["done"], line["volumes"]) == ("running", "RUNNING", 1, 2)
    assert job_line(run, FakeCluster("FINISHED"))["state"] == "ended"
    assert job_line({**run, "state": "finished"}, None)["yarn"] == ""


def test_settings_can_be_kept(table):
    run = YarnRun(Compress(), *table, replace(RunSettings(), cluster=ClusterSettings(detach=True)))
    assert run.is_detached
    assert run.engine == "yarn"
