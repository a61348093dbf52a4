"""A key that was handed over, with a token of each of the two members."""

from datetime import datetime, timedelta

from support.objects.builders import NOW, edited, with_status
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.resources.stamp import FormerToken


def handed_over(key: ApiKey, target: Membership, *, key_id: str = "N" * 12, replaced_at: datetime = NOW) -> ApiKey:
    """The issued key after it was handed over to another member: with a new token, and its token as the former one."""
    status, ends_at = key.status, replaced_at + timedelta(hours=1)
    assert status.issued is not None
    former = FormerToken(
        key_id=status.key_id or "",
        hash=status.hash or "",
        issued=status.issued,
        replaced_at=replaced_at,
        ends_at=ends_at,
    )
    stamp = status.issued.model_copy(
        update={
            "membership": target.name,
            "membership_uid": target.metadata.uid,
            "membership_generation": target.metadata.generation,
            "role": target.spec.role,
        }
    )
    present = {"key_id": key_id, "hash": f"sha256:{key_id}", "issued": stamp, "previous": former}
    return edited(with_status(key, status.model_copy(update=present)), membership=target.name)
