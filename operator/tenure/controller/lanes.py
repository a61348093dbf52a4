"""Decides which work comes first: what ends a token, then changes, and the first tokens of keys last.

A restore or a migration may bring 100,000 keys that wait for their first token. These only lose time if they wait, but
a token that should be revoked is read until its Secret is deleted.
"""

from collections.abc import Callable
from datetime import datetime
from enum import IntEnum

from tenure.controller.cache import Cache
from tenure.controller.refs import Ref
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.validity import WORKING, Verdict, validity
from tenure.domain.views import token_views

_STAYS = WORKING | {Verdict.BEHIND}
"""The verdicts on a token that isn't ended. If the Membership is older than the stamp, it is read again first."""


class Lane(IntEnum):
    """How urgent a reconciliation is, the most urgent first."""

    ENDS = 0
    """It ends something: it deletes the Secret of a token that was revoked, or records the role change before that."""
    CHANGES = 1
    ISSUES = 2
    """It issues the first token of a key."""


class Lanes:
    """Finds the lane of an object by the state in the cache."""

    def __init__(self, cache: Cache, now: Callable[[], datetime]) -> None:
        self._cache = cache
        self._now = now

    def __call__(self, ref: Ref) -> Lane:
        """Return the lane of an object. A deleted one may have left a Secret behind."""
        known = self._cache.get(ref.resource, ref.namespace, ref.name)
        return Lane.ENDS if known is None else self._of(known)

    def _of(self, resource: Resource) -> Lane:
        match resource:
            case ApiKey() if resource.status.secret_uid is None:
                return Lane.ISSUES if resource.status.hash is None else Lane.CHANGES
            case ApiKey():
                ended = any(self._judge(view) not in _STAYS for view in token_views(resource))
            case Membership():
                recorded = resource.status.observed_generation
                ended = resource.metadata.deleting or -1 < recorded < resource.metadata.generation
            case _:
                ended = resource.metadata.deleting
        return Lane.ENDS if ended else Lane.CHANGES

    def _judge(self, view: ApiKey) -> Verdict:
        membership = self._cache.get(Membership, view.namespace, view.holder)
        return validity(view, membership, self._organization_of(membership), self._now())

    def _organization_of(self, membership: Membership | None) -> Organization | None:
        if membership is None:
            return None
        return self._cache.organization_in_force(membership.namespace, membership.spec.organization)
