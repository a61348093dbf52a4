"""A Membership is looked at again when it becomes Stalled, because no event of the cluster tells that moment."""

from datetime import datetime, timedelta
from typing import Any, cast

from support.objects.builders import NOW, membership, organization, with_status
from tenure.controller.cache import Cache
from tenure.controller.enqueuer import Enqueuer
from tenure.controller.executor import Executor
from tenure.controller.memberships import Memberships
from tenure.controller.queue import Item, WorkQueue
from tenure.controller.refs import Ref, ref_of
from tenure.domain.installation import DEFAULTS
from tenure.domain.resources import Membership
from tenure.observability.metrics import Meter


class Wakes(Enqueuer):
    """Keeps the times at which objects are to be woken."""

    def __init__(self, cache: Cache) -> None:
        super().__init__(WorkQueue(), cache, lambda: NOW)
        self.times: dict[Ref, datetime | None] = {}

    def wake(self, ref: Ref, at: datetime | None) -> None:
        self.times[ref] = at


class Writes:
    """Stores the status that a plan writes."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def act(self, action: Any, member: Membership, _: object) -> None:
        self._cache.put(with_status(member, action.status), 0.0)


async def test_it_is_woken_when_the_grace_of_a_missing_organization_is_over() -> None:
    cache = Cache()
    wakes, member = Wakes(cache), membership()
    cache.put(member, 0.0)
    memberships = Memberships(
        cache=cache,
        enqueuer=wakes,
        executor=cast("Executor", Writes(cache)),
        installation=DEFAULTS,
        meter=Meter(),
        now=lambda: NOW,
    )
    ref = ref_of(member)
    await memberships.reconcile(Item(ref, 0.0, checked=False))
    assert wakes.times == {ref: NOW + timedelta(minutes=10)}
    cache.put(organization(), 0.0)
    await memberships.reconcile(Item(ref, 0.0, checked=False))
    assert wakes.times == {ref: None}
