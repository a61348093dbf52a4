"""Builds the entry of a key in a Membership's status."""

from tenure.domain.resources import ApiKey
from tenure.domain.resources.listed_key import ListedFormerToken, ListedKey


def listed_key(key: ApiKey) -> ListedKey:
    """Return the entry of a working key in its Membership's `status.keys`."""
    former = key.status.previous
    return ListedKey(
        name=key.name,
        key_id=key.status.key_id or "",
        access=key.spec.access,
        issued_at=key.status.issued.at if key.status.issued else None,
        expires_at=key.status.expires_at,
        for_role=key.spec.for_role,
        former=None if former is None else ListedFormerToken(key_id=former.key_id, ends_at=former.ends_at),
    )
