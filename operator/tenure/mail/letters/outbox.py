"""Finds out which letters are due in all organizations, and which of them may be sent now."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from tenure.domain.invitations.mail import asks_for_letters
from tenure.domain.letters.delivery import Fields, held_fields, is_written, no_address_fields
from tenure.domain.letters.due import Evidence, due_letters, wanted_notices, without_address
from tenure.domain.letters.ledger import Ledger
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.letters.limits import Held, sort_out
from tenure.domain.letters.rates import Limits
from tenure.domain.letters.record import KeyRecord
from tenure.domain.letters.revoked import Gone
from tenure.domain.resources import Membership, Organization
from tenure.mail.store import Store

MOST_STATUSES = 100
"""Maximum number of statuses that a round writes about letters that wait."""


@dataclass(frozen=True)
class Outbox:
    """What there is to send."""

    ready: Sequence[Letter] = ()
    held: Sequence[Held] = ()
    homeless: Sequence[Membership] = ()
    """Members whose address isn't known."""

    organizations: Sequence[Organization] = ()
    """Those that ask for letters."""

    untold: Sequence[tuple[Membership, Fields]] = ()
    """Members whose status doesn't say yet that their invitation waits, with the fields to write."""


async def look(store: Store, ledger: Ledger, record: KeyRecord, limits: Limits, now: datetime) -> tuple[Outbox, bool]:
    """Return what there is to send, and whether the ledger changed by looking. The record is compared with the keys.

    A thread judges it, so that the page is served meanwhile: 10,000 keys of one organization take seconds.
    """
    found = {namespace: store.organization(namespace) for namespace in store.namespaces()}
    organizations = [one for one in found.values() if one is not None and not one.metadata.deleting]
    changed = ledger.forget(now)
    changed |= ledger.follow((wish for one in organizations for wish in wanted_notices(one)), now)
    await asyncio.to_thread(_compare, record, store, organizations, now)
    vanished: dict[str, list[Gone]] = {}
    for one in record.gone:
        vanished.setdefault(one.api_key.namespace, []).append(one)
    every = [
        Evidence(
            organization,
            store.members(organization.namespace),
            store.api_keys(organization.namespace),
            ledger,
            now,
            vanished.get(organization.namespace, ()),
        )
        for organization in organizations
    ]
    return await asyncio.to_thread(_judge, every, ledger, limits, now), changed


def _compare(record: KeyRecord, store: Store, organizations: Sequence[Organization], now: datetime) -> None:
    """Compare the record with the keys of the organizations that tell their members of revoked keys."""
    told = [one.namespace for one in organizations if one.spec.notifications and one.spec.notifications.keys_revoked]
    record.compare(chain.from_iterable(map(store.api_keys, told)), set(told), now)


def _judge(every: Sequence[Evidence], ledger: Ledger, limits: Limits, now: datetime) -> Outbox:
    letters = [letter for evidence in every for letter in due_letters(evidence)]
    homeless = [member for evidence in every for member in without_address(evidence)]
    ready, held = sort_out(letters, ledger, limits, now)
    asking = [one.organization for one in every if asks_for_letters(one.organization)]
    return Outbox(ready, held, homeless, asking, untold(held, homeless))


def untold(held: Sequence[Held], homeless: Sequence[Membership]) -> Sequence[tuple[Membership, Fields]]:
    """Return which statuses don't say yet that an invitation waits, with the fields to write: some of them if many."""
    waiting = ((one.letter.member, held_fields(one)) for one in held if one.letter.kind is LetterKind.INVITED)
    lost = ((member, no_address_fields(member)) for member in homeless)
    news = (one for one in chain(waiting, lost) if not is_written(one[1], one[0].status.invitation))
    return list(islice(news, MOST_STATUSES))
