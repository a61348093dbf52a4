"""Builds the entry of a key in a Membership's status."""

from tenure.domain.resources import ApiKey
from tenure.domain.resources.membership import ListedKey


def listed_key(key: ApiKey) -> ListedKey:
    """Return the entry of a working key in its Membership's `status.keys`."""
    return ListedKey(
        name=key.name,
        key_id=key.status.key_id or "",
        access=key.spec.access,
        issued_at=key.status.issued.at if key.status.issued else None,
        expires_at=key.status.expires_at,
        for_role=key.spec.for_role,
    )
