"""What the webhooks say of invitations. They warn, and never reject."""

from collections.abc import Sequence
from typing import Any

import pytest

from support.objects import manifests
from support.objects.builders import NOW, membership, organization
from support.objects.evidence import judged
from support.objects.invitations import inviting
from support.objects.reviewed import change
from tenure.domain.admission.invitation_rules import newly_asks_for_letters
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time

Body = manifests.Body

ACME = manifests.organization()
NOTIFIES = manifests.organization(invitations={"mode": "Notify"})
REQUIRES = manifests.organization(invitations={"mode": "RequireAcceptance"})
EXPIRES = manifests.organization(notifications={"keysExpiring": ["24h"]})
RENAMED = manifests.organization(invitations={"mode": "RequireAcceptance"}, displayName="Acme")

WHO = "new members get keys and rights in Kubernetes only once they accept"
FREE = "members who haven't accepted yet get their keys"
NO_MAIL = "No mail process runs"

CHANGES: dict[str, tuple[Body | None, Body | None, bool | None, list[str]]] = {
    "no letters": (None, ACME, None, []),
    "letters": (ACME, NOTIFIES, True, []),
    "letters, and nobody sends them": (ACME, NOTIFIES, False, [NO_MAIL]),
    "letters from the start, and nobody sends them": (None, NOTIFIES, False, [NO_MAIL]),
    "letters about keys, and nobody sends them": (ACME, EXPIRES, False, [NO_MAIL]),
    "letters, and it isn't known whether anybody sends them": (ACME, NOTIFIES, None, []),
    "acceptance": (NOTIFIES, REQUIRES, True, [WHO]),
    "acceptance, and nobody sends letters": (NOTIFIES, REQUIRES, False, [WHO, NO_MAIL]),
    "acceptance from the start": (None, REQUIRES, True, [WHO]),
    "acceptance as before": (REQUIRES, RENAMED, False, []),
    "acceptance no more": (REQUIRES, NOTIFIES, True, [FREE]),
    "no invitations any more": (REQUIRES, ACME, None, [FREE]),
    "the organization goes": (REQUIRES, None, None, []),
}


@pytest.mark.parametrize(("old", "new", "runs", "says"), CHANGES.values(), ids=CHANGES)
def test_a_mode_is_explained_when_it_begins_and_ends(
    old: Body | None,
    new: Body | None,
    runs: bool | None,  # noqa: FBT001
    says: Sequence[str],
) -> None:
    judgement = judged(Organization, old=old, new=new, mail_runs=runs)
    assert judgement.allowed
    assert [text for text in says if text not in " ".join(judgement.warnings)] == []
    assert len(judgement.warnings) == len(says)


@pytest.mark.parametrize(
    ("old", "new", "asks"),
    [
        pytest.param(None, ACME, False, id="no letters"),
        pytest.param(None, NOTIFIES, True, id="from the start"),
        pytest.param(ACME, EXPIRES, True, id="about keys"),
        pytest.param(NOTIFIES, REQUIRES, True, id="another mode"),
        pytest.param(REQUIRES, RENAMED, False, id="as before"),
        pytest.param(REQUIRES, ACME, False, id="no more"),
        pytest.param(REQUIRES, None, False, id="deleted"),
    ],
)
def test_the_lease_is_asked_for_where_letters_begin(old: Body | None, new: Body | None, *, asks: bool) -> None:
    assert newly_asks_for_letters(change(Organization, old=old, new=new)) is asks


def newcomer(name: str = "alice", subject: str | None = None) -> Body:
    body = manifests.member(name)
    named = {"kind": "User", "name": subject or f"{name}@acme.io"}
    return {**body, "spec": {**body["spec"], "subject": named}}


LISTED = [{"name": "alice", "address": "alice@acme.io"}]
ACCEPTS, UNKNOWN = "has to accept the invitation first", "is no e-mail address, so no invitation is sent"
MEMBERS: dict[str, tuple[Body, Organization, list[str]]] = {
    "nobody is invited": (newcomer(subject="00u1"), organization(), []),
    "invited": (newcomer(), inviting("Notify"), []),
    "has to accept": (newcomer(), inviting(), [ACCEPTS]),
    "has to accept, no address": (newcomer(subject="00u1"), inviting(), [ACCEPTS, UNKNOWN]),
    "no address": (newcomer(subject="00u1"), inviting("Notify"), [UNKNOWN]),
    "an address": (newcomer(subject="00u1"), inviting("Notify", addresses=LISTED), []),
    "one of the first members": (newcomer(subject="00u1"), inviting(since=NOW), []),
    "a service account": (manifests.service_account("ci"), inviting(), []),
}


@pytest.mark.parametrize(("member", "org", "says"), MEMBERS.values(), ids=MEMBERS)
def test_a_new_member_is_warned_about_what_waits(member: Body, org: Organization, says: Sequence[str]) -> None:
    judgement = judged(Membership, new=member, organization=org)
    assert judgement.allowed
    assert [text for text in says if text not in " ".join(judgement.warnings)] == []
    assert len(judgement.warnings) == len(says)


def test_who_may_not_add_a_member_hears_nothing_of_the_rules() -> None:
    assert judged(Membership, new=newcomer(), organization=inviting(), grants=()).warnings == ()


def test_a_forged_acceptance_in_a_manifest_is_no_acceptance() -> None:
    forged = {**newcomer(), "status": {"invitation": {"acceptedAt": format_time(NOW)}}}
    assert [ACCEPTS in text for text in judged(Membership, new=forged, organization=inviting()).warnings] == [True]


KEY = manifests.api_key("laptop", "alice")
KEYS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "waits": ({}, ["the key waits (InvitationPending) until alice@acme.io accepts"]),
    "accepted": ({"status": {"invitation": {"acceptedAt": format_time(NOW)}}}, []),
    "from before": ({"created": inviting().metadata.creation_timestamp}, []),
}


@pytest.mark.parametrize(("facts", "says"), KEYS.values(), ids=KEYS)
def test_a_new_key_is_warned_about_an_acceptance_that_it_waits_for(facts: dict[str, Any], says: Sequence[str]) -> None:
    alice = membership(**{"created": NOW, **facts})
    judgement = judged(ApiKey, new=KEY, membership=alice, organization=inviting())
    assert judgement.allowed
    assert [text for text in says if text not in " ".join(judgement.warnings)] == []
    assert len(judgement.warnings) == len(says)
    changed = manifests.api_key("laptop", "alice", description="x")
    assert judged(ApiKey, old=KEY, new=changed, membership=alice, organization=inviting()).warnings == ()
