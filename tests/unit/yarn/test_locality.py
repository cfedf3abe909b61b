"""The cluster's part of a report: three witnesses, what does not add up, and why tasks were slow."""

from __future__ import annotations

import pytest

from hbimg.errors import ConfigError
from hbimg.mapreduce.gantt import bars_of, draw_gantt
from hbimg.mapreduce.outcomes import Outcome, State, same_host
from hbimg.mapreduce.report import make_report, report_text
from hbimg.mapreduce.yarn.locality import Witnessed, cluster_part
from hbimg.model import VolumeKey

MB = 1_000_000


def outcome(number, host, source, task, **more):
    times = {"start_s": 100.0, "end_s": 102.0, "slot": "0", "input_bytes": 10 * MB, "output_bytes": 4 * MB}
    key = VolumeKey("made", f"sub-{number}", "ses", "T1w")
    return Outcome(key, State.DONE, host=host, source=source, task=task, **{**times, **more})


def task(attempt, host, split_host, received, start_s=100.0, end_s=110.0):
    return {
        "attempt": attempt,
        "host": host,
        "split_host": split_host,
        "start_s": start_s,
        "end_s": end_s,
        "network_at_start": {"eth0": [5 * MB, 7 * MB]},
        "network_at_end": {"eth0": [5 * MB + received, 7 * MB + 2 * received]},
    }


def attempt(name, start_s=90.0, state="SUCCEEDED", **more):
    return {"id": name, "startTime": start_s * 1e3, "finishTime": 112_000, "state": state, "type": "MAP", **more}


def witnessed(outcomes, tasks, **more):
    counters = {"TOTAL_LAUNCHED_MAPS": len(tasks), "DATA_LOCAL_MAPS": len(tasks)}
    return Witnessed(outcomes, {t["attempt"]: t for t in tasks}, counters=counters, replication=2, **more)


def test_witnesses_that_agree_say_nothing():
    outcomes = [outcome(1, "w1.site", "w1.site", "m1"), outcome(2, "w2.site", "w2.site", "m2")]
    tasks = [task("m1", "w1.site", "w1.site", 4 * MB), task("m2", "w2.site", "w2.site", 4 * MB)]
    part = cluster_part(witnessed(outcomes, tasks, block_locality={"w1.site": 100.0}))
    sums = part["reconciled"]
    assert (sums["data_bytes"], sums["received_bytes"], sums["copies_of_results_bytes"]) == (20 * MB, 8 * MB, 8 * MB)
    assert sums["disagreements"] == []
    assert part["sources"] == [
        {"host": "w1.site", "own_bytes": 10 * MB, "other_bytes": {}},
        {"host": "w2.site", "own_bytes": 10 * MB, "other_bytes": {}},
    ]
    assert part["maps"]["data_local"] == 2


def test_a_region_that_moved_is_a_disagreement():
    outcomes = [outcome(1, "w1.site", "w2.site", "m1"), outcome(2, "w2.site", "w2.site", "m2")]
    tasks = [task("m1", "w1.site", "w1.site", 14 * MB), task("m2", "w2.site", "w2.site", 4 * MB)]
    part = cluster_part(witnessed(outcomes, tasks))
    assert part["sources"][0] == {"host": "w1.site", "own_bytes": 0, "other_bytes": {"w2.site": 10 * MB}}
    (said,) = part["reconciled"]["disagreements"]
    assert said.startswith("readers saw +10.0 MB more from other hosts than Hadoop's placement says (+50.0%")


def test_bytes_that_nobody_owns_up_to_are_a_disagreement():
    outcomes = [outcome(1, "w1.site", "w1.site", "m1")]
    part = cluster_part(witnessed(outcomes, [task("m1", "w1.site", "w1.site", 18 * MB)]))
    (said,) = part["reconciled"]["disagreements"]
    assert "the interfaces received +10.0 MB beside reads, results and their copies (+100.0%" in said
    less = cluster_part(witnessed([outcome(1, "w1.site", "w3.site", "m1")], [task("m1", "w1.site", "w3.site", 1 * MB)]))
    (said,) = less["reconciled"]["disagreements"]
    assert "-13.0 MB" in said  # 10 MB to read and 4 MB of results to send
    assert "not all nodes were counted" in said


def test_a_node_is_counted_once_however_many_tasks_it_ran():
    first = task("m1", "w1.site", "w1.site", 3 * MB, 100, 105)
    second = {**task("m2", "w1.site", "w1.site", 8 * MB, 102, 120), "network_at_start": {"eth0": [7 * MB, 9 * MB]}}
    (node,) = cluster_part(witnessed([], [first, second]))["network"]  # the DataNode was not asked in the end
    counted = {"received_bytes": 8 * MB, "sent_bytes": 16 * MB, "hdfs_written_bytes": None}
    assert node == {"host": "w1.site", **counted, "seconds": 20}


def test_copies_are_what_the_data_nodes_wrote_less_the_first_ones():
    outcomes = [outcome(1, "w1.site", "w1.site", "m1"), outcome(2, "w2.site", "w1.site", "m2")]
    tasks = [task("m1", "w1.site", "w1.site", 3 * MB), task("m2", "w2.site", "w1.site", 17 * MB)]
    for each in tasks:
        each["hdfs_written_at_start"] = 100 * MB
    written = {"w1.site": 104 * MB, "w2.site": 108 * MB}

    def sums_of(**more):
        told = {"hdfs_written": written, "asked_s": 115.0, **more}
        return cluster_part(witnessed(outcomes, tasks, **told))["reconciled"]

    sums = sums_of()
    assert sums["copies_of_results_bytes"] == 6 * MB  # of 12 MB that both wrote
    assert sums["results_to_other_hosts_bytes"] == 4 * MB
    assert sums["other_bytes"] == 20 * MB - 10 * MB - 4 * MB - 6 * MB == 0
    assert not sums["copies_are_estimated"]
    # One that does not tell or was started anew, an answer that is the one before again, and one hours later.
    for told in ({"hdfs_written": {"w1.site": 104 * MB}}, {"hdfs_written": {**written, "w2.site": 5 * MB}}):
        assert sums_of(**told)["copies_are_estimated"]
    assert sums_of(asked_s=109.0)["copies_are_estimated"]
    assert sums_of(asked_s=7200.0)["copies_are_estimated"]


def test_the_slowest_tasks_say_why():
    outcomes = [outcome(n, "w1", "w1", f"m{n}", compute_s=1.0) for n in range(1, 4)]
    outcomes.append(outcome(4, "w1", "w2", "m4", compute_s=1.0, wait_s=9.0, input_bytes=30 * MB))
    tasks = [task(f"m{n}", "w1", "w1", MB) for n in range(1, 5)]
    attempts = [attempt(f"m{n}", 90.0) for n in range(1, 4)] + [attempt("m4", 80.0)]
    slow = cluster_part(witnessed(outcomes, tasks, attempts=attempts))["slowest"]
    assert slow[0]["attempt"] == "m4"
    assert slow[0]["seconds"] == 32
    assert slow[0]["why"] == (
        "20.0 s staging (median 10.0 s), 3.0 times the median task's bytes, 30.0 MB came from other hosts"
    )


def test_the_report_shows_it_all_and_draws_it(tmp_path):
    outcomes = [outcome(1, "w1.site", "w1.site", "m1"), outcome(2, "w2.site", "w1.site", "m2")]
    tasks = [task("m1", "w1.site", "w1.site", 4 * MB), task("m2", "w2.site", "w1.site", 14 * MB)]
    attempts = [
        attempt("m1"),
        attempt("m2"),
        attempt("m0", state="FAILED", nodeHttpAddress="w1.site:8042"),
        attempt("r1", type="REDUCE", nodeHttpAddress="w2.site:8042"),
        attempt("m9", 0.0, state="KILLED"),  # never had a container
    ]
    report = make_report("run compress", outcomes, 30.0)
    report["cluster"] = cluster_part(witnessed(outcomes, tasks, attempts=attempts, block_locality={"w1.site": 75.0}))
    text = report_text(report)
    assert "own host 10.0 MB, other hosts 10.0 MB" in text
    assert "2 data-local" in text
    assert "rack-locality-additional-delay" not in text
    report["cluster"]["maps"] |= {"data_local": 1, "other": 1}
    assert "1 maps ran in another rack than their data" in report_text(report)
    assert "75%" in text
    assert "unknown" in text
    assert "w1.site 10.0 MB" in text
    bars = bars_of(report)
    assert {bar.kind for bar in bars} == {"staging", "local", "remote", "ended badly", "reduce"}
    assert {bar.row for bar in bars} == {"w1.site 0", "w1.site 1", "w2.site 0", "w2.site 1"}
    for one in bars:
        for other in bars:
            if one is not other and one.row == other.row:
                assert one.end_s <= other.begin_s or other.end_s <= one.begin_s
    files = draw_gantt(report, tmp_path / "picture")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert len(files) == 2
    del report["cluster"]
    assert {bar.row for bar in bars_of(report)} == {"w1.site 0", "w2.site 0"}
    with pytest.raises(ConfigError, match="nothing to draw"):
        draw_gantt(make_report("empty", [], 0.0), tmp_path / "none")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("w1", "w1.site", True), ("W1.site", "w1.site", True), ("w1.a", "w1.b", False), ("w1", "w2", False)],
)
def test_short_and_full_names_are_one_host(one, other, same):
    assert same_host(one, other) is same
