"""A node's clock is told to within the way there and back, however long Python and its imports take there."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from hbimg.doctor import nodes


@pytest.mark.parametrize("behind_s", [0.0, 3.0, -3.0])
def test_imports_do_not_blur_the_clock(monkeypatch, behind_s):
    here = iter([100.0, 106.0])  # asked, answered
    monkeypatch.setattr(nodes, "time", SimpleNamespace(time=lambda: next(here)))

    class Way:
        def run(self, via, host, command, script):
            # Begun after 0.2 s; 5.6 s of imports; 0.2 s for the way back.
            return json.dumps({"began_s": 100.2 - behind_s, "time_s": 105.8 - behind_s})

    clock = nodes.report_of(Way(), "ssh {host}", "python3", "worker1").clock
    assert clock.lowest_s == pytest.approx(-behind_s - 0.2)
    assert clock.highest_s == pytest.approx(-behind_s + 0.2)
