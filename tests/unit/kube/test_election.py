"""The times of an election fit together, whatever the Lease's life."""

import pytest

from tenure.kube.election import Timing


@pytest.mark.parametrize("lease", [3, 15, 60, 600])
def test_a_leader_stops_before_another_may_begin(lease: int) -> None:
    timing = Timing(lease)
    assert timing.deadline <= lease * 2 / 3, "a third of the Lease's life lies between the two"


@pytest.mark.parametrize("lease", [3, 15, 60, 600])
def test_a_leader_has_time_for_a_second_request_where_one_hangs(lease: int) -> None:
    timing = Timing(lease)
    assert timing.renewal + timing.request < timing.deadline
    assert 2 * timing.request <= timing.deadline
    assert timing.look < timing.deadline - timing.request
