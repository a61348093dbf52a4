"""The collector doesn't look again and again at what it has looked at for long."""

import gc
from collections.abc import Iterator

import pytest

from tenure.process.garbage import LONGEST_SECONDS, keep_collections_short


@pytest.fixture(autouse=True)
def _unfrozen() -> Iterator[None]:
    callbacks = list(gc.callbacks)
    assert gc.get_freeze_count() == 0
    yield
    gc.callbacks[:] = callbacks
    gc.unfreeze()


@pytest.mark.parametrize(
    ("seconds", "generation", "exempted"),
    [
        pytest.param(LONGEST_SECONDS * 2, 2, True, id="long"),
        pytest.param(LONGEST_SECONDS / 2, 2, False, id="short"),
        pytest.param(LONGEST_SECONDS * 2, 1, False, id="of young objects"),
    ],
)
def test_what_a_long_collection_leaves_is_exempted(seconds: float, generation: int, *, exempted: bool) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += seconds
        return now

    keep_collections_short(clock)
    imported = gc.get_freeze_count()
    assert imported > 0
    cached = [[number] for number in range(1000)]
    gc.collect(generation)
    assert (gc.get_freeze_count() >= imported + len(cached)) is exempted
