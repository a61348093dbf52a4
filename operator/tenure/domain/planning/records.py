"""Finds the tokens that a role change revoked and that their Membership hasn't recorded yet.

Until it has, Tenure takes no such token out of the ApiKey's status, because the record is made from it.
"""

from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.validity import was_revoked_by_role
from tenure.domain.views import token_views


def awaits_record(observation: ApiKeyObservation) -> bool:
    """Return whether a role change revoked one of the key's tokens and its Membership hasn't recorded it yet."""
    return any(is_unrecorded(view, observation) for view in token_views(observation.api_key))


def is_unrecorded(view: ApiKey, observation: ApiKeyObservation) -> bool:
    """Return whether a role change revoked this token and its Membership hasn't recorded it yet."""
    membership = observation.tenure_of(view).membership
    if membership is None or membership.metadata.deleting or not was_revoked_by_role(view, membership):
        return False
    return not _is_listed(view, membership)


def _is_listed(view: ApiKey, membership: Membership) -> bool:
    change = membership.status.last_role_change
    if change is None or change.generation != membership.metadata.generation:
        return False
    if change.key_count > len(change.keys):
        return True  # There are more keys than the record can list.
    return any(ended.key_id == view.status.key_id for ended in change.keys)
