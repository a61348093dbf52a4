"""Nothing grows with the past in the verifier, the webhook, the mail process and the metrics, by the heap.

The controller has its own test, in `controller/test_no_growth.py`.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import cast

import pytest

from support.objects import manifests
from support.objects.builders import NOW, api_key, issued
from support.objects.evidence import of_membership
from support.objects.letters import ALL, KEY, inviting, person, role_change
from support.objects.reviewed import change
from support.run.heap import traced
from support.run.soak import size
from tenure.domain.admission.decide import decide
from tenure.domain.letters.ledger import KEPT_LATEST, Ledger
from tenure.domain.letters.rates import Limits
from tenure.domain.letters.record import KeyRecord
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.kube.cluster import Cluster
from tenure.mail.letters.backoff import Backoff
from tenure.mail.letters.outbox import look
from tenure.mail.store import Store
from tenure.observability.mail_catalogue import LETTERS
from tenure.observability.metrics import Component
from tenure.observability.prometheus import Measurements
from tenure.verifier import index as verifier_index
from tenure.verifier import usage
from tenure.verifier.index import Index
from tenure.verifier.usage import UsageRecord

OBJECTS = size(short=500, soak=10_000)
"""Of each kind."""

PAGE = 100

Page = Callable[[int], Awaitable[None]]
"""Lets the objects of a page come and go."""


def objects(number: int) -> Iterable[tuple[Organization, Membership, ApiKey]]:
    """Objects with namespaces and names that no other page has."""
    for position in range(number * PAGE, (number + 1) * PAGE):
        place = f"ns-{position}"
        org = inviting(namespace=place, notifications=ALL)
        changed = role_change(2, NOW, {"name": "old", "keyId": f"id{position}", "fate": "Deleted"})
        member = person(f"m-{position}", namespace=place, generation=2, change=changed)
        key = api_key(f"k-{position}", membership=member.name, namespace=place)
        yield org, member, issued(key, member, org, key_id=f"key{position}")


def verifier() -> Page:
    """The index of the verifier, and its record of use."""
    index, used = Index(), UsageRecord(clock=lambda: 0.0)

    async def come_and_go(number: int) -> None:
        every = list(objects(number))
        for deleted in (False, True):
            for one in [one for group in every for one in group]:
                body = one.model_dump(by_alias=True, mode="json", exclude_none=True)
                index.change(type(one), body, deleted=deleted, now=NOW)
        for *_, key in every:
            used.note(key.status.key_id or "", key.namespace)
        used.read("", 0)

    return come_and_go


def webhook() -> Page:
    """Reviews of objects that are created, changed and deleted."""

    async def come_and_go(number: int) -> None:
        for position in range(number * PAGE, (number + 1) * PAGE):
            before = manifests.member(f"m-{position}", "Member")
            after = manifests.member(f"m-{position}", "Viewer")
            decide(of_membership(change(Membership, new=before)))
            decide(of_membership(change(Membership, old=before, new=after)))
            decide(of_membership(change(Membership, old=after)))

    return come_and_go


def mail() -> Page:
    """The objects, the ledger and the record of the mail process, and the pauses after failures."""
    store, record, backoff = Store(cast("Cluster", None)), KeyRecord(), Backoff()
    ledger = Ledger(KEY, NOW - timedelta(days=30))

    async def come_and_go(number: int) -> None:
        now = NOW + number * KEPT_LATEST
        every = [one for group in objects(number) for one in group]
        for one in every:
            store._put(type(one), (one.namespace, one.name), one)  # noqa: SLF001 - as its feeds do
        outbox, _ = await look(store, ledger, record, Limits(), now)
        assert number or outbox.ready
        for letter in (*outbox.ready, *(held.letter for held in outbox.held)):
            ledger.claim(letter, now)
            ledger.tell(letter, now)
            backoff.fail(letter.id, now)
        for one in every:
            store._put(type(one), (one.namespace, one.name), None)  # noqa: SLF001 - as its feeds do
        outbox, _ = await look(store, ledger, record, Limits(), now + KEPT_LATEST)
        backoff.keep({letter.id for letter in outbox.ready})
        Ledger.from_bytes(KEY, ledger.to_bytes())
        KeyRecord.from_bytes(record.to_bytes())

    return come_and_go


def metrics() -> Page:
    """Counters, whose labels name no object."""
    measurements = Measurements(Component.MAIL)

    async def come_and_go(_: int) -> None:
        for _ in range(PAGE):
            measurements.count(LETTERS, "Invited", "sent")

    return come_and_go


PROGRAMS = {"verifier": verifier, "webhook": webhook, "mail": mail, "metrics": metrics}


@pytest.mark.soak
@pytest.mark.parametrize("program", PROGRAMS)
async def test_the_heap_does_not_grow_with_objects_that_are_gone(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(verifier_index, "MOST_REMEMBERED", 50)
    monkeypatch.setattr(usage, "MOST_KEYS", 50)
    come_and_go = PROGRAMS[program]()
    await come_and_go(0)
    with traced() as heap:
        await come_and_go(1)
        heap.begin()
        for number in range(2, 2 + OBJECTS // PAGE):
            await come_and_go(number)
        heap.check(OBJECTS)


def test_a_heap_that_keeps_something_of_each_object_is_noticed() -> None:
    kept: list[Resource] = []
    with traced() as heap:
        for group in objects(0):
            kept += group
        with pytest.raises(AssertionError, match=r"bytes for 300 objects:\n.*\.py:"):
            heap.check(len(kept))
