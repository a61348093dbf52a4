"""What a start does while the API server, or this machine, is too busy to answer it."""

import asyncio

import pytest

from tenure.errors import ForbiddenError, ServerAwayError, TenureError, UnavailableError
from tenure.observability.health import Health
from tenure.observability.metrics import Component
from tenure.observability.prometheus import Measurements
from tenure.process import startup

AWAY, SLOW = ServerAwayError("it doesn't answer"), UnavailableError("no answer in time")
REJECTED = ForbiddenError("no")

ROWS: dict[str, tuple[list[TenureError], bool, TenureError | None]] = {
    # What the attempts meet, whether a health port is set, and what ends the start.
    "it answers": ([], False, None),
    "there is none, for a person": ([AWAY], False, AWAY),
    "there is none, for a kubelet": ([AWAY, AWAY], True, None),
    "it is busy, for a person": ([SLOW, SLOW], False, None),
    "it answers late, and then not even the first question": ([SLOW, AWAY], False, None),
    "it is busy, for a kubelet": ([SLOW], True, None),
    "it rejects": ([REJECTED], True, REJECTED),
    "it rejects all once it is back": ([AWAY, REJECTED], True, None),
    "it goes on rejecting": ([AWAY, REJECTED, REJECTED], True, REJECTED),
}


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize(("met", "patient", "ends"), [pytest.param(*row, id=name) for name, row in ROWS.items()])
async def test_a_start_ends_for_a_missing_cluster_and_waits_for_a_busy_one(
    met: list[TenureError], *, patient: bool, ends: TenureError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "_AGAIN_SECONDS", 0.0)
    left = list(met)

    async def prepare() -> str:
        if left:
            raise left.pop(0)
        return "prepared"

    health = Health(Measurements(Component.CONTROLLER))
    starting = startup.prepared_before(asyncio.Event(), health, prepare, patient=patient)
    if ends is None:
        assert await starting == "prepared"
        assert left == []
    else:
        with pytest.raises(type(ends)):
            await starting
