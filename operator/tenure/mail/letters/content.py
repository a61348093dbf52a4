"""What a letter says: the values that its templates get."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tenure.domain.invitations.state import awaits_acceptance
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.letters.words import cleaned
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.membership import EndedKey
from tenure.domain.roles import CAPABILITIES, Role
from tenure.domain.usage.recording import is_known, unused_since

MAX_LISTED = 30
"""Maximum number of keys that a letter lists."""

MAX_DESCRIPTION = 120


@dataclass(frozen=True)
class Link:
    """A link to accept an invitation."""

    url: str
    expires_at: datetime


def needs_link(letter: Letter) -> bool:
    """Return whether the person has to accept by a link."""
    return letter.kind is LetterKind.INVITED and awaits_acceptance(letter.member, letter.organization)


def values_of(letter: Letter, link: Link | None, now: datetime) -> Mapping[str, Any]:
    """Return the values for a letter's templates. All names in them are cleaned."""
    organization, member = letter.organization, letter.member
    rules = organization.spec.invitations
    change = member.status.last_role_change if letter.kind is LetterKind.ROLE_CHANGED else None
    keys = (
        [_ended(key) for key in change.keys]
        if change is not None
        else [_key(key, organization, now) for key in letter.keys]
    )
    return {
        "organization": cleaned(organization.spec.display_name or organization.name),
        "organization_name": organization.name,
        "namespace": organization.namespace,
        "address": letter.address,
        "role": member.spec.role.value,
        "former_role": change.from_role.value if change is not None else None,
        "allows": _levels(member.spec.role),
        "contact": rules.contact if rules is not None else None,
        "link": link.url if link is not None else None,
        "expires": _time(link.expires_at) if link is not None else None,
        "keys": keys[:MAX_LISTED],
        "more_keys": max(len(keys) - MAX_LISTED, 0),
    }


def language_of(organization: Organization) -> str:
    """Return the language that an organization wants."""
    rules = organization.spec.invitations
    return (rules.language if rules is not None else None) or "en"


def _levels(role: Role) -> list[Mapping[str, str]]:
    return [{"capability": name.value, "level": level.label} for name, level in CAPABILITIES[role].items()]


def _key(key: ApiKey, organization: Organization, now: datetime) -> Mapping[str, Any]:
    """Describe a key. There is never a token in it."""
    unused = unused_since(key, organization, now)
    last = key.status.last_used
    return {
        "name": cleaned(key.name),
        "key_id": key.status.key_id or "-",
        "description": _description(key.spec.description),
        "member": cleaned(key.spec.membership),
        "expires": _time(key.status.expires_at) if key.status.expires_at is not None else None,
        "last_used": last.isoformat() if last is not None else None,
        "unused_since": unused.date().isoformat() if last is None and unused is not None else None,
        "use_known": last is not None or (unused is not None and is_known(organization, now)),
        "reissued": False,
    }


def _ended(key: EndedKey) -> Mapping[str, Any]:
    return {
        "name": cleaned(key.name),
        "key_id": key.key_id,
        "description": _description(key.description),
        "member": None,
        "expires": None,
        "last_used": None,
        "unused_since": None,
        "use_known": False,
        "reissued": key.fate.value == "Reissued",
    }


def _description(text: str | None) -> str | None:
    return cleaned(text, MAX_DESCRIPTION) if text else None


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def needed_names(kinds: Iterable[LetterKind] = LetterKind) -> list[str]:
    """Return the names of the templates that each language has."""
    return [f"{file_of(kind)}.{form}" for kind in kinds for form in ("txt", "html")]


def file_of(kind: LetterKind) -> str:
    """Return the name of a kind's templates, without the ending."""
    return {
        LetterKind.INVITED: "invited",
        LetterKind.ROLE_CHANGED: "role-changed",
        LetterKind.KEYS_EXPIRING: "keys-expiring",
        LetterKind.KEYS_REVOKED: "keys-revoked",
    }[kind]


def recipients_of(letters: Iterable[Letter]) -> set[str]:
    """Return the places of the Memberships that letters go to, for logs, which name no addresses."""
    return {place_of(letter.member) for letter in letters}


def place_of(member: Membership) -> str:
    """Return a Membership's namespace and name."""
    return f"{member.namespace}/{member.name}"
