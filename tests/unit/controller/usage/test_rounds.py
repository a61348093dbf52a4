"""The rounds of the record of use: what is enqueued and written, with a clock that a test sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from support.objects.builders import NOW, api_key, issued, membership, organization, rotated, with_status
from tenure.controller.cache import Cache
from tenure.controller.executor import Executor
from tenure.controller.queue import WorkQueue
from tenure.controller.refs import ref_of
from tenure.controller.usage.rounds import UsageRounds
from tenure.controller.usage.verifiers import Verifiers
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.usage.coverage import Coverage, Reply

pytestmark = pytest.mark.asyncio(loop_scope="function")

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
A, B = "http://10.0.0.1:8080", "http://10.0.0.2:8080"
BEGAN = NOW - timedelta(days=9)


class Said(Verifiers):
    """Verifiers that say what a test has them say."""

    replies: Mapping[str, Reply | None] = {}

    async def ask(self, coverage: Coverage) -> Mapping[str, Reply | None]:
        del coverage
        return self.replies


@dataclass
class Leader:
    """A leader with three keys, and the writes that it makes."""

    now: datetime = NOW
    writes: list[tuple[str, Any]] = field(default_factory=list)
    off: bool = False

    def __post_init__(self) -> None:
        self.cache, self.queue = Cache(), WorkQueue()
        self.said = Said(["http://verifiers:8080"], Path("token"))
        self.rounds = UsageRounds(
            self.cache,
            self.queue,
            cast(Executor, self),
            now=lambda: self.now,
            verifiers=None if self.off else self.said,
        )
        self.put(organization(keys={"unusedAfter": "24h"}))
        self.put(membership())
        for name in ("left", "right", "idle"):
            self.put(issued(api_key(name), membership(), organization(), key_id=name))

    def put(self, resource: Any) -> None:
        version = max([int(one.metadata.resource_version) for one in self.cache.all()], default=0) + 1
        metadata = resource.metadata.model_copy(update={"resource_version": str(version)})
        self.cache.put(resource.model_copy(update={"metadata": metadata}), 0.0)

    async def act(self, action: Any, resource: Any) -> None:
        """Write a status as the executor does."""
        if isinstance(action, UpdateStatus):
            self.writes.append((resource.name, action.status))
            self.put(with_status(resource, action.status))

    async def hear(self, replies: Mapping[str, Reply | None]) -> list[str]:
        """Make a round, reconcile what it enqueues, and return the names of the objects that were written."""
        self.said.replies, before = replies, len(self.writes)
        await self.rounds.round()
        for one in self.cache.all():
            if isinstance(one, ApiKey | Organization) and ref_of(one) in self.queue._since:  # noqa: SLF001
                await self.rounds.record(one)
        self.queue = self.rounds._queue = WorkQueue()  # noqa: SLF001
        return sorted(name for name, _ in self.writes[before:])

    def key(self, name: str) -> ApiKey:
        found = self.cache.get(ApiKey, "acme", name)
        assert found is not None
        return found

    @property
    def acme(self) -> Organization:
        found = self.cache.get(Organization, "acme", "acme")
        assert found is not None
        return found


def reply(**uses: datetime) -> Reply:
    return Reply(BEGAN, "1", uses)


async def test_the_latest_of_all_replies_is_written_once() -> None:
    leader = Leader()
    heard = {A: reply(left=NOW - MINUTE, right=NOW - 3 * DAY), B: reply(right=NOW - MINUTE, gone=NOW)}
    assert await leader.hear(heard) == ["acme", "left", "right"]
    assert leader.key("right").status.last_used == NOW.date()
    assert leader.key("idle").status.last_used is None
    assert (leader.acme.status.usage_since, leader.acme.status.usage_until) == (NOW, NOW.date())
    for _ in range(5):
        leader.now += 5 * MINUTE
        assert await leader.hear({A: reply(left=leader.now), B: reply(right=leader.now)}) == []


async def test_a_silent_verifier_makes_use_unknown_and_its_record_brings_it_back() -> None:
    leader = Leader()
    both = {A: reply(left=NOW), B: reply(right=NOW)}
    await leader.hear(both)
    found = []
    for _ in range(8):
        leader.now += DAY / 4
        found += await leader.hear(both)
    assert sorted(set(found)) == ["acme", "idle", "left", "right"], "nobody used them for a day"
    for minutes in (5, 5, 4):
        leader.now += minutes * MINUTE
        assert await leader.hear({A: reply(left=leader.now), B: None}) in ([], ["left"])
    since = leader.acme.status.usage_since
    leader.now += 5 * MINUTE
    assert "idle" in await leader.hear({A: reply(), B: None})
    assert leader.acme.status.usage_since is None
    assert [one.type for one in leader.key("idle").status.conditions] == ["Ready"]
    leader.now += 5 * MINUTE
    await leader.hear(both)
    assert leader.acme.status.usage_since == since


async def test_the_use_of_a_token_that_is_not_cached_yet_is_not_lost() -> None:
    leader = Leader()
    await leader.hear({A: reply(late=NOW)})
    leader.put(issued(api_key("late"), membership(), organization(), key_id="late"))
    leader.now += 5 * MINUTE
    assert await leader.hear({A: reply()}) == ["late"]


async def test_a_former_tokens_use_is_written_by_minutes_beside_the_days_of_its_key() -> None:
    leader = Leader()
    leader.put(rotated(leader.key("left"), former="former"))
    assert await leader.hear({A: reply(former=NOW - DAY)}) == ["acme", "left"]
    written = []
    for _ in range(10):
        leader.now += MINUTE
        written += await leader.hear({A: reply(former=leader.now, left=leader.now)})
    previous = leader.key("left").status.previous
    assert previous is not None
    assert previous.last_used_at == leader.now.replace(second=0, microsecond=0)
    assert written == ["left"] * 2
    assert leader.key("left").status.last_used == (NOW - DAY).date(), "its day was written today"
    leader.now += DAY
    assert "left" in await leader.hear({A: reply(former=leader.now)})
    assert leader.key("left").status.previous == previous, "it has expired"
    assert leader.key("left").status.last_used == leader.now.date()


async def test_a_new_leader_says_nothing_before_its_first_round() -> None:
    leader = Leader()
    await leader.rounds.record(leader.key("left"))
    await leader.rounds.record(leader.acme)
    assert leader.writes == []


async def test_without_verifiers_nothing_is_written() -> None:
    leader = Leader(off=True)
    assert await leader.hear({}) == []


async def test_turned_off_it_takes_back_what_was_said() -> None:
    leader = Leader()
    await leader.hear({A: reply(left=NOW)})
    for _ in range(8):
        leader.now += DAY / 4
        await leader.hear({A: reply()})
    assert any(one.type == "Unused" for one in leader.key("idle").status.conditions)
    later = Leader(off=True, now=leader.now)
    later.put(leader.acme)
    later.put(leader.key("idle"))
    assert await later.hear({}) == ["acme", "idle"]
    assert later.acme.status.usage_since is None
    assert [one.type for one in later.key("idle").status.conditions] == ["Ready"]
