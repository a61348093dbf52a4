"""What a Membership's status says of a key."""

from tenure.domain.resources import ApiKey
from tenure.domain.resources.membership import ListedKey


def listed_key(key: ApiKey) -> ListedKey:
    """What a Membership's status says of a working key."""
    return ListedKey(
        name=key.name,
        key_id=key.status.key_id or "",
        access=key.spec.access,
        issued_at=key.status.issued.at if key.status.issued else None,
        expires_at=key.status.expires_at,
        for_role=key.spec.for_role,
    )
