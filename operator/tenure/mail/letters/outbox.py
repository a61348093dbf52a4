"""Finds out which letters are due in all organizations, and which of them may be sent now."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.letters.due import Evidence, due_letters, wanted_notices, without_address
from tenure.domain.letters.ledger import Ledger
from tenure.domain.letters.letter import Letter
from tenure.domain.letters.limits import Held, sort_out
from tenure.domain.letters.rates import Limits
from tenure.domain.letters.revoked import Gone
from tenure.domain.resources import Membership
from tenure.mail.store import Store


@dataclass(frozen=True)
class Outbox:
    """What there is to send."""

    ready: Sequence[Letter] = ()
    held: Sequence[Held] = ()
    homeless: Sequence[Membership] = ()
    """Members whose address isn't known."""


async def look(store: Store, ledger: Ledger, limits: Limits, now: datetime) -> tuple[Outbox, bool]:
    """Return what there is to send, and whether the ledger changed by looking.

    Other tasks run between two organizations, so that the page is served meanwhile.
    """
    found = {namespace: store.organization(namespace) for namespace in store.namespaces()}
    organizations = [one for one in found.values() if one is not None and not one.metadata.deleting]
    changed = ledger.forget(now)
    changed |= ledger.follow((wish for one in organizations for wish in wanted_notices(one)), now)
    letters: list[Letter] = []
    homeless: list[Membership] = []
    vanished: dict[str, list[Gone]] = {}
    for one in store.gone:
        vanished.setdefault(one.api_key.namespace, []).append(one)
    for organization in organizations:
        await asyncio.sleep(0)
        namespace = organization.namespace
        gone = vanished.get(namespace, ())
        evidence = Evidence(organization, store.members(namespace), store.api_keys(namespace), ledger, now, gone)
        letters += due_letters(evidence)
        homeless += without_address(evidence)
    ready, held = sort_out(letters, ledger, limits, now)
    return Outbox(ready, held, homeless), changed
