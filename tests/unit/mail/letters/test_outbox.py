"""What a look finds: the letters, and whose status has to say that an invitation waits."""

import asyncio
import threading
from typing import cast

import pytest

from support.objects.builders import NOW, membership
from support.objects.letters import invitation_to, inviting, ledger_of, person
from tenure.domain.letters.delivery import held_fields, no_address_fields
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.letters.limits import DAY, Held
from tenure.domain.letters.rates import Limits
from tenure.domain.letters.record import KeyRecord
from tenure.kube.cluster import Cluster
from tenure.mail.letters import outbox
from tenure.mail.letters.outbox import MOST_STATUSES, look, untold
from tenure.mail.store import Store

ACME = inviting()


def held(number: int, *, told: bool = False) -> Held:
    waits = Held(invitation_to(person(f"m{number}"), ACME), NOW + DAY, "an address gets 5 letters in 24 hours")
    if not told:
        return waits
    member = person(f"m{number}", invitation=dict(held_fields(waits)))
    return Held(invitation_to(member, ACME), waits.until, waits.reason)


def test_each_member_who_waits_is_told_in_the_end_however_many_there_are() -> None:
    waiting = [held(number, told=number < 250) for number in range(500)]
    news = untold(waiting, [])
    assert [member.name for member, _ in news] == [f"m{number}" for number in range(250, 250 + MOST_STATUSES)]
    assert untold(waiting[:250], []) == []


def test_a_member_without_an_address_is_told_and_one_whose_notice_is_held_is_not() -> None:
    homeless = membership("jdoe", subject="jdoe")
    notice = Letter(LetterKind.KEYS_EXPIRING, ACME, person(), "alice@acme.io", "1")
    assert untold([Held(notice, NOW, "")], [homeless]) == [(homeless, no_address_fields(homeless))]


async def test_the_page_is_served_while_letters_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    served = threading.Event()

    def judge(*_: object) -> outbox.Outbox:
        assert served.wait(60), "no other task ran meanwhile"
        return outbox.Outbox()

    monkeypatch.setattr(outbox, "_judge", judge)
    looking = asyncio.create_task(look(Store(cast("Cluster", None)), ledger_of(ACME), KeyRecord(), Limits(), NOW))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(served.set)
    outcome, _ = await looking
    assert outcome == outbox.Outbox()
