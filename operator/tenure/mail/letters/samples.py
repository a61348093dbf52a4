"""Sample data: the values with which each template is tried at the start, and the letters on the docs page."""

from collections.abc import Iterator, Mapping
from typing import Any

from tenure.domain.letters.letter import LetterKind
from tenure.domain.roles import CAPABILITIES, Role

_KEY: Mapping[str, Any] = {
    "name": "ci-deploy",
    "key_id": "8fK2mQ7xLw3Z",
    "description": "GitLab project infra deploy",
    "member": "alice",
    "expires": "2027-03-01 08:30 UTC",
    "last_used": "2027-02-21",
    "unused_since": None,
    "use_known": True,
    "reissued": False,
}
_UNKNOWN = {**_KEY, "name": "laptop", "key_id": "Pq5zR1vTn8Ab", "description": None, "last_used": None}
_KEYS = (
    _KEY,
    {**_UNKNOWN, "use_known": False},
    {**_UNKNOWN, "name": "old-script", "key_id": "x4Wd9KsLq2Mh", "unused_since": "2027-01-04", "reissued": True},
)


def sample(kind: LetterKind, role: Role = Role.MEMBER) -> Mapping[str, Any]:
    """Return the values of the letter of a kind that the docs show."""
    keys = [] if kind is LetterKind.INVITED else list(_KEYS)
    if kind is LetterKind.ROLE_CHANGED:
        keys = [{**key, "member": None, "expires": None, "last_used": None, "use_known": False} for key in keys]
    return {
        "organization": "Acme Inc",
        "organization_name": "acme",
        "namespace": "acme",
        "address": "alice@acme.io",
        "role": role.value,
        "former_role": "Owner" if kind is LetterKind.ROLE_CHANGED else None,
        "allows": [{"capability": one.value, "level": level.label} for one, level in CAPABILITIES[role].items()],
        "contact": "platform@acme.io",
        "link": "https://acme.io/tenure/invitations/c2FtcGxl" if kind is LetterKind.INVITED else None,
        "expires": "2027-03-01 08:30 UTC" if kind is LetterKind.INVITED else None,
        "keys": keys,
        "more_keys": 0,
    }


def sample_values(kind: LetterKind) -> Iterator[Mapping[str, Any]]:
    """Yield values that reach each case of a template: with and without a link, a contact and keys."""
    for role in Role:
        yield sample(kind, role)
    yield {**sample(kind), "link": None, "expires": None, "contact": None, "keys": [], "more_keys": 3}
