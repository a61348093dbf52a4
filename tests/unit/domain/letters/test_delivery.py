"""What the status and Events say about a letter."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from support.objects.builders import NOW
from support.objects.letters import invitation_to, inviting, person
from tenure.domain.letters.delivery import rejected_fields, sent_fields, without_lost_request
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.letters.limits import Held
from tenure.domain.letters.reports import held_reports, language_remark, language_report
from tenure.domain.resources.base import format_time
from tenure.domain.resources.invitation import Invitation

ACME = inviting()
LETTER = invitation_to(person(), ACME)
EARLY, LATE = (format_time(NOW + timedelta(minutes=minute)) for minute in (1, 2))


class Request(NamedTuple):
    """A request for another letter before and after it was sent, and whether a rejection removes it."""

    removed: bool
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


REQUESTS = {
    "none": Request(removed=True, before=None, after=None),
    "the one that the letter answers": Request(
        removed=True, before={"requestedAt": EARLY}, after={"requestedAt": EARLY}
    ),
    "one that came meanwhile": Request(removed=False, before=None, after={"requestedAt": EARLY}),
    "a second one": Request(removed=False, before={"requestedAt": EARLY}, after={"requestedAt": LATE}),
}


@pytest.mark.parametrize("row", REQUESTS.values(), ids=REQUESTS)
def test_a_request_in_the_moment_of_a_rejection_is_kept(row: Request) -> None:
    before, after = (None if one is None else Invitation.model_validate(one) for one in (row.before, row.after))
    fields = without_lost_request(rejected_fields(LETTER, "550"), before, after)
    assert ("requestedAt" in fields) is row.removed
    assert fields["delivery"] == "Rejected"
    sent = sent_fields(LETTER, NOW, None)
    assert without_lost_request(sent, before, after) == sent


@pytest.mark.parametrize(
    ("wanted", "used", "said"),
    [
        ("fr", "en", "in en, because there are no templates in fr (spec.invitations.language)"),
        ("de-AT", "de", None),
        ("en", "en", None),
    ],
)
def test_a_language_without_templates_is_named(wanted: str, used: str, said: str | None) -> None:
    assert language_remark(wanted, used) == said
    assert sent_fields(LETTER, NOW, None, said)["message"] == (said and f"Sent {said}.")
    report = language_report(ACME, wanted, used)
    assert (report and report.note) == (said and f"Its letters are {said}.")


def test_a_held_notice_has_an_event_and_an_invitation_a_status() -> None:
    notice = Letter(LetterKind.KEYS_EXPIRING, ACME, person(), "alice@acme.io", "1")
    held = [Held(one, NOW, "an address gets 5 letters in 24 hours") for one in (LETTER, notice)]
    (report,) = held_reports(held)
    assert report.about == notice.member
    until = f"{NOW:%Y-%m-%d %H:%M} UTC"
    reason = "an address gets 5 letters in 24 hours"
    assert report.note == f"A letter (KeysExpiring) is held until {until}, because {reason}."
    (later,) = held_reports([Held(notice, NOW + timedelta(hours=1), "another limit")])
    assert later.id == report.id, "one Event for a letter, however often its time moves"
