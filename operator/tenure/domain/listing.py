"""Builds the entry of a key in a Membership's status, and words what sets a key apart."""

from collections.abc import Iterator, Sequence

from tenure.domain.resources import ApiKey
from tenure.domain.resources.listed_key import ListedFormerToken, ListedKey
from tenure.domain.roles import Capability
from tenure.domain.text import quoted
from tenure.domain.views import is_former

_MAX_SHOWN = 60
"""Maximum length of a description within a sentence."""


def listed_key(key: ApiKey) -> ListedKey:
    """Return the entry of a working key in the `status.keys` of the Membership that its token was issued under.

    For a key that was handed over, pass the view of its former token to get the entry of the former member.
    """
    former = key.status.previous
    if former is not None and (is_former(key) or former.issued.membership not in (None, key.holder)):
        former = None
    return ListedKey(
        name=key.name,
        key_id=key.status.key_id or "",
        access=key.spec.access,
        issued_at=key.status.issued.at if key.status.issued else None,
        expires_at=key.status.expires_at,
        for_role=None if key.is_handed_over else key.spec.for_role,
        handed_over_to=key.spec.membership if key.is_handed_over else None,
        former=None if former is None else ListedFormerToken(key_id=former.key_id, ends_at=former.ends_at),
        description=key.spec.description,
        capabilities=key.narrowed_to,
    )


def traits(capabilities: Sequence[Capability] | None, description: str | None) -> Iterator[str]:
    """Yield the capabilities that a key is limited to, and the beginning of its description, for a list of facts."""
    if capabilities is not None:
        yield f"only {' and '.join(filter(None, (', '.join(capabilities[:-1]), *capabilities[-1:])))}"
    if description:
        yield quoted(description, _MAX_SHOWN)
