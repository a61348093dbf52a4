"""A restored store is noticed by its version, wherever that shows."""

from collections.abc import Sequence

import pytest

from tenure.domain.store_version import StoreVersion


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([5], [False], id="first"),
        pytest.param([0], [False], id="an empty store"),
        pytest.param([5, 5], [False, False], id="nothing happened"),
        pytest.param([5, 9, 10], [False] * 3, id="grows"),
        pytest.param([9, 5], [False, True], id="restored"),
        pytest.param([9, 5, 7], [False, True, False], id="grows again after a restore"),
        pytest.param([9, 5, 3], [False, True, True], id="restored twice"),
    ],
)
def test_each_look_is_compared_with_the_one_before(seen: Sequence[int], expected: Sequence[bool]) -> None:
    version = StoreVersion()
    assert [version.advance(number) for number in seen] == expected
    assert version.number == seen[-1]
