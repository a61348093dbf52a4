"""Events never hold up a reconciliation for longer than their one budget."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from support.objects.builders import membership
from tenure.controller import recorder as module
from tenure.controller.recorder import BUDGET_SECONDS, Recorder
from tenure.domain.planning.actions import EmitEvent
from tenure.errors import ForbiddenError, NamespaceTerminatingError, RejectedError, UnavailableError
from tenure.kube.cluster import Cluster

NOW = datetime(2027, 3, 1, tzinfo=UTC)
ALICE = membership("alice")


class Store:
    """Stands in for the API server: each request takes some seconds of a clock of its own, then fails or not."""

    def __init__(self, *failures: Exception | None, seconds: float = 0.0) -> None:
        self.now = 0.0
        self.requests: list[str] = []
        self._failures = list(failures)
        self._seconds = seconds

    async def request(self, _: str, __: str, *, body: dict[str, Any], **___: object) -> dict[str, Any]:
        self.requests.append(body["reason"])
        self.now += self._seconds
        if failure := self._failures.pop(0) if self._failures else None:
            raise failure
        return body


class HangingStore(Store):
    """Answers nothing until it is given up."""

    async def request(self, _: str, __: str, *, body: dict[str, Any], **___: object) -> dict[str, Any]:
        self.requests.append(body["reason"])
        try:
            return (await asyncio.Event().wait() and body) or body
        finally:
            self.now += BUDGET_SECONDS


class BrieflyAwayStore(Store):
    """Fails every request, but not before it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.back = asyncio.Event()

    async def request(self, _: str, __: str, *, body: dict[str, Any], **___: object) -> dict[str, Any]:
        self.requests.append(body["reason"])
        await self.back.wait()
        raise UnavailableError("HTTP 503")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES_SECONDS", (0.0, 0.0, None))


def recorder(store: Store) -> Recorder:
    return Recorder(cast("Cluster", store), clock=lambda: store.now)


def event(occurrence: str) -> EmitEvent:
    return EmitEvent("RoleChanged", "a note", occurrence)


@pytest.mark.parametrize(
    ("failures", "requests"),
    [
        ((), 1),
        ((UnavailableError("HTTP 503"),), 2),
        ((UnavailableError("HTTP 503"),) * 5, 3),
        ((ForbiddenError("HTTP 403"),) * 5, 1),
        ((RejectedError("HTTP 422"),) * 5, 1),
        ((NamespaceTerminatingError("HTTP 403"),) * 5, 1),
    ],
    ids=["recorded", "the second time", "never", "forbidden", "rejected", "namespace terminating"],
)
async def test_an_event_is_posted_again_where_that_can_help(failures: tuple[Exception, ...], requests: int) -> None:
    store = Store(*failures)
    await recorder(store).record(event("1"), ALICE, NOW)
    assert len(store.requests) == requests


async def test_a_store_that_hangs_costs_one_budget_however_many_events_there_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = HangingStore()
    recording = Recorder(cast("Cluster", store), budget=0.05, clock=lambda: store.now)
    for number in range(20):
        await recording.record(event(str(number)), ALICE, NOW)
    assert len(store.requests) == 1
    assert caplog.text.count("wasn't recorded") == 1, "the next line, a minute later, has the count"


async def test_a_slow_store_costs_one_budget_too() -> None:
    store = Store(seconds=0.9)
    recording = recorder(store)
    for number in range(20):
        await recording.record(event(str(number)), ALICE, NOW)
    assert store.now < BUDGET_SECONDS + 1


async def test_after_a_while_events_are_posted_again() -> None:
    store = Store(*[UnavailableError("HTTP 503")] * 3, seconds=1.0)
    recording = recorder(store)
    await recording.record(event("1"), ALICE, NOW)
    spent = len(store.requests)
    await recording.record(event("2"), ALICE, NOW)
    assert len(store.requests) == spent
    store.now += 31
    await recording.record(event("3"), ALICE, NOW)
    assert len(store.requests) == spent + 1


async def test_an_event_that_is_rejected_takes_nothing_from_the_budget_of_others() -> None:
    store = Store(*[ForbiddenError("exceeded quota")] * 9, seconds=1.0)
    recording = recorder(store)
    for number in range(10):
        await recording.record(event(str(number)), ALICE, NOW)
    assert len(store.requests) == 10


async def test_reconciliations_that_wait_at_the_same_time_use_the_budget_once() -> None:
    store = BrieflyAwayStore()
    recording = recorder(store)
    waiting = [asyncio.ensure_future(recording.record(event(str(number)), ALICE, NOW)) for number in range(5)]
    await asyncio.sleep(0)
    store.now += 1.0
    store.back.set()
    await asyncio.gather(*waiting)
    spent = len(store.requests)
    await recording.record(event("afterwards"), ALICE, NOW)
    assert len(store.requests) > spent


async def test_nothing_waits_after_the_last_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.undo()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    store = Store(*[UnavailableError("HTTP 503")] * 5)
    await recorder(store).record(event("1"), ALICE, NOW)
    assert len(pauses) == len(store.requests) - 1
