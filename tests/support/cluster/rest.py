"""What Tenure has still to write in a namespace, as far as what is stored tells it.

A state is seldom the last write about it: sums and lists follow a second later, a key becomes Stalled five seconds
after its state began, and an ApiKey that a role change revoked is deleted after three. A test that counts writes, or
compares objects, waits until nothing of that is left.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from support.api.api import Api
from tenure.domain.conditions import ready_reason, stalls_at
from tenure.domain.in_force import oldest
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.organization import KeyCounts
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import former_view


class Stored:
    """The objects of a namespace, read once."""

    def __init__(self, api: Api) -> None:
        self.keys = [ApiKey.from_body(body) for body in api.list("apikeys")]
        # Read after the keys, so that a key is never judged by a member who is older than its stamp.
        self.members = [Membership.from_body(body) for body in api.list("memberships")]
        self.organizations = [Organization.from_body(body) for body in api.list("organizations")]
        self._now = datetime.now(UTC)

    def uncounted(self) -> Iterator[str]:
        """Say which member and which Organization doesn't count its keys yet as what is stored demands."""
        acme, members = oldest(self.organizations), {member.name: member for member in self.members}
        verdicts = [
            (key, validity(key, members.get(key.holder), acme, self._now))
            for key in self.keys
            if acme is not None and _is_of(acme, members.get(key.holder))
        ]
        valid = sum(verdict is Verdict.VALID for _, verdict in verdicts)
        working = Counter(name for key in self.keys for name in self._holders(key, members, acme))
        for member in self.members:
            if member.status.key_count != working[member.name]:
                yield f"{member.name} counts {member.status.key_count} keys, and {working[member.name]} work"
        counts = None if acme is None else acme.status.keys
        if acme is not None and (counts is None or (counts.valid, _total(counts)) != (valid, len(verdicts))):
            yield f"{acme.name} counts {counts}, and {valid} of {len(verdicts)} keys work"

    def _holders(self, key: ApiKey, members: Mapping[str, Membership], acme: Organization | None) -> set[str]:
        """Name the members whose token works: of the present token, and of the former one."""
        views = (view for view in (key, former_view(key)) if view is not None)
        return {view.holder for view in views if self._works(view, members.get(view.holder), acme)}

    def _works(self, view: ApiKey, member: Membership | None, acme: Organization | None) -> bool:
        return acme is not None and _is_of(acme, member) and validity(view, member, acme, self._now) is Verdict.VALID

    def unfinished(self) -> Iterator[str]:
        """Say which object is to be read, to become Stalled or to be deleted."""
        resources: list[Organization | Membership | ApiKey] = [*self.organizations, *self.members, *self.keys]
        for resource in resources:
            if resource.status.observed_generation != resource.metadata.generation:
                yield f"{resource.kind} {resource.name} isn't observed"
        for key in self.keys:
            if stalls_soon(key, self._now):
                yield f"{key.name} becomes Stalled in a moment"
            if ready_reason(key.status.conditions) == Reason.ROLE_CHANGED and key.status.secret_uid is not None:
                yield f"{key.name} is deleted in a moment"


def stalls_soon(key: ApiKey, now: datetime) -> bool:
    """Whether a key becomes Stalled while a test may wait for it. With a missing reference it takes minutes."""
    at = stalls_at(key.status.conditions, key.kind)
    return at is not None and at < now + timedelta(minutes=1)


def _is_of(organization: Organization, member: Membership | None) -> bool:
    """Whether the key of this member counts: only a member of another Organization doesn't."""
    return member is None or member.spec.organization == organization.name


def _total(counts: KeyCounts) -> int:
    return counts.valid + counts.suspended + counts.waiting + counts.ended
