"""Finds out whether a token that vanished was revoked for another reason than a role change."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.validity import Verdict, validity

NOTICE_LIFE = timedelta(hours=48)
"""How long after its moment a notice is worth sending. An invitation never gets too old."""

GRACE = timedelta(seconds=10)
"""How long to wait before the judgement, because the watches of different kinds aren't ordered among themselves."""


@dataclass(frozen=True)
class Gone:
    """A key as it was when its token vanished."""

    api_key: ApiKey
    at: datetime


def find_gone(old: ApiKey, new: ApiKey | None, now: datetime) -> Gone | None:
    """Return the former key if its token vanished: it was deleted, or its revision was raised."""
    if old.status.issued is None or old.status.hash is None:
        return None
    alike = new is not None and new.metadata.uid == old.metadata.uid
    if alike and new is not None and new.revision == old.status.issued.revision:
        return None  # A rotation or a repair replaces a token, and an expiry was told before.
    began = before_deletion(old)
    return Gone(began, now)


def before_deletion(api_key: ApiKey) -> ApiKey:
    """Return the key as it was before its deletion began."""
    metadata = api_key.metadata.model_copy(update={"deletion_timestamp": None})
    return api_key.model_copy(update={"metadata": metadata})


def was_revoked(gone: Gone, membership: Membership | None, organization: Organization, now: datetime) -> bool:
    """Return whether the token would still work if its key were as before.

    If it wouldn't, its end has another cause: a role change, an expiry, or the end of the Membership.
    """
    if now < gone.at + GRACE:
        return False
    return validity(gone.api_key, membership, organization, gone.at) in {Verdict.VALID, Verdict.SUSPENDED}
