"""Organizations that send letters, their members, and what is due in them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from support.objects.builders import CREATED, NOW, condition, membership, organization
from tenure.domain.letters.due import Evidence, due_letters, wanted_notices
from tenure.domain.letters.ledger import Ledger
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.letters.revoked import Gone
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.resources.invitation import Notifications

KEY = b"a key for tests, of some length."
SINCE = NOW - timedelta(days=20)
"""Since when the organization has invited and notified."""

ALL = {"roleChanged": True, "keysExpiring": ["168h", "24h"], "keysRevoked": True}


def inviting(
    name: str = "acme",
    *,
    mode: str = "Notify",
    notifications: Mapping[str, Any] | None = None,
    since: datetime | None = SINCE,
    created: datetime = CREATED,
    namespace: str = "acme",
    **invitations: Any,
) -> Organization:
    """An Organization with a mode, whose times the controller has noted."""
    noted = None if since is None else format_time(since)
    status = {"observedGeneration": 1, "invitationsSince": noted, "acceptanceSince": noted}
    made = organization(
        name,
        invitations={"mode": mode, **invitations},
        status={name: value for name, value in status.items() if value is not None},
        created=created,
        namespace=namespace,
    )
    wanted = None if notifications is None else Notifications.model_validate(notifications)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"notifications": wanted})})


def person(
    name: str = "alice",
    *,
    invitation: Mapping[str, Any] | None = None,
    change: Mapping[str, Any] | None = None,
    ready: bool = True,
    created: datetime = NOW - timedelta(hours=1),
    **fields: Any,
) -> Membership:
    """A Membership in force, which is new unless `created` says otherwise."""
    status = {
        "observedGeneration": 1,
        "conditions": [condition("Ready", "Active" if ready else "DuplicateSubject", holds=ready)],
        "invitation": invitation,
        "lastRoleChange": change,
    }
    given = {name: value for name, value in status.items() if value is not None}
    return membership(name, status=given, created=created, **fields)


def role_change(generation: int, at: datetime, *keys: Mapping[str, Any], **fields: Any) -> Mapping[str, Any]:
    """A record of a role change, as it stands in a body."""
    return {
        "from": "Owner",
        "to": "Member",
        "generation": generation,
        "at": format_time(at),
        "keyCount": len(keys),
        "keys": list(keys),
        **fields,
    }


def ledger_of(organization: Organization, since: datetime = SINCE) -> Ledger:
    """A ledger that has followed an organization since then."""
    ledger = Ledger(KEY, since)
    ledger.follow(wanted_notices(organization), since)
    return ledger


def evidence(
    organization: Organization,
    *members: Membership,
    keys: Sequence[ApiKey] = (),
    gone: Sequence[Gone] = (),
    ledger: Ledger | None = None,
    now: datetime = NOW,
) -> Evidence:
    """What letters are decided on."""
    return Evidence(organization, members, keys, ledger or ledger_of(organization), now, gone)


def due(organization: Organization, *members: Membership, **more: Any) -> list[tuple[str, LetterKind]]:
    """Who gets which letter."""
    return [(letter.member.name, letter.kind) for letter in due_letters(evidence(organization, *members, **more))]


def invitation_to(member: Membership, organization: Organization, address: str = "") -> Letter:
    """The invitation of a member."""
    mailbox = address or member.spec.subject.name
    return Letter(LetterKind.INVITED, organization, member, mailbox, str(member.metadata.generation))
