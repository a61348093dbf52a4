"""A restored store is noticed by its version, wherever that shows."""

from collections.abc import Sequence

import pytest

from tenure.domain.store_version import Step, StoreVersion


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([5], [Step.NEWER], id="first"),
        pytest.param([0], [Step.NEWER], id="an empty store"),
        pytest.param([5, 5], [Step.NEWER, Step.SAME], id="nothing happened"),
        pytest.param([5, 9, 10], [Step.NEWER] * 3, id="grows"),
        pytest.param([9, 5], [Step.NEWER, Step.WENT_BACK], id="restored"),
        pytest.param([9, 5, 7], [Step.NEWER, Step.WENT_BACK, Step.NEWER], id="grows again after a restore"),
        pytest.param([9, 5, 3], [Step.NEWER, Step.WENT_BACK, Step.WENT_BACK], id="restored twice"),
    ],
)
def test_each_look_is_compared_with_the_one_before(seen: Sequence[int], expected: Sequence[Step]) -> None:
    version = StoreVersion()
    assert [version.advance(number) for number in seen] == expected
    assert version.number == seen[-1]
