"""Summaries merge: however values are cut and merged, counts are exact and moments agree with numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hbimg.mapreduce.jobs.histogram import Binning, Summary

floats = st.floats(-1e9, 1e9, allow_subnormal=False)
blocks = st.lists(hnp.arrays(np.float64, st.integers(0, 30), elements=floats), min_size=1, max_size=6)
binnings = st.builds(Binning, st.integers(2, 40), st.sampled_from([None, (-10.0, 10.0), (0.0, 1e6)]))


def exact(summary):
    """All of a summary that does not depend on the order of additions."""
    return (summary.count, summary.minimum, summary.maximum, summary.exponent, summary.first, summary.bins.tolist())


@given(blocks, binnings)
def test_merging_agrees_with_numpy_and_with_one_block(parts, binning):
    whole = binning.summarise(parts)
    values = np.concatenate(parts)
    if not values.size:
        assert whole.count == 0
        return
    assert exact(whole) == exact(binning.summarise([values]))
    assert (whole.minimum, whole.maximum, whole.count) == (values.min(), values.max(), values.size)
    scale = max(np.abs(values).max(), 1e-300)
    assert whole.mean == pytest.approx(values.mean(), abs=1e-9 * scale)
    assert whole.variance == pytest.approx(values.var(), abs=1e-9 * scale**2)
    edges = binning.edges(whole)
    assert len(edges) == len(whole.bins) + 1
    assert len(whole.bins) <= binning.bins
    assert whole.bins.tolist() == np.histogram(values, edges)[0].tolist()
    assert whole.bins.sum() + whole.below + whole.above == values.size


@given(blocks, binnings, st.randoms())
def test_the_order_of_merging_does_not_change_the_counts(parts, binning, random):
    summaries = [binning.summarise([part]) for part in parts]
    straight = summaries[0]
    for summary in summaries[1:]:
        straight = binning.merge(straight, summary)
    while len(summaries) > 1:
        left = summaries.pop(random.randrange(len(summaries)))
        right = summaries.pop(random.randrange(len(summaries)))
        summaries.append(binning.merge(left, right))
    assert [repr(x) for x in exact(summaries[0])] == [repr(x) for x in exact(straight)]


@given(blocks, binnings)
def test_a_summary_comes_back_from_its_bytes(parts, binning):
    summary = binning.summarise(parts)
    again = Summary.decode(summary.encode())
    assert again.encode() == summary.encode()
    assert repr(exact(again)) == repr(exact(summary))
