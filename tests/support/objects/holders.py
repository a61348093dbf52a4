"""Members who hold keys, as a webhook sees them: issued where they can be, and counted in the member's status."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from support.api.speech import plain
from support.objects import evidence, manifests
from support.objects.builders import NOW, issued, organization
from support.objects.reviewed import change
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.admission.evidence import MembershipEvidence
from tenure.domain.admission.verdict import Judgement
from tenure.domain.durations import parse_duration
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.memberships import MembershipObservation, plan_membership
from tenure.domain.resources import ApiKey, Membership, Organization

Body = manifests.Body


@dataclass(frozen=True)
class Holder:
    """A member, and manifests of the member's keys."""

    manifest: Body
    keys: Sequence[Body] = ()
    spent: str | None = None
    """The acknowledgement that is there already."""

    rules: Body = field(default_factory=dict)
    """The organization's `roleChanges`."""

    suspended: Sequence[str] = ()
    facts: Body = field(default_factory=dict)
    """What else was read."""

    @property
    def organization(self) -> Organization:
        """The member's organization."""
        return organization(role_changes=self.rules, suspended_members=self.suspended)

    def under(self, when_keys_exist: str | None = None, **facts: Any) -> "Holder":
        """The same where this holds about keys."""
        rules = {**self.rules, **({} if when_keys_exist is None else {"whenKeysExist": when_keys_exist})}
        return Holder(self.manifest, self.keys, self.spent, rules, self.suspended, {**self.facts, **facts})

    def change_role(self, role: str, acknowledgement: str | None = None, **request: Any) -> Judgement:
        """What a change of role is answered, and of the acknowledging annotation in the same write."""
        new = {**self.manifest, "spec": {**self.manifest["spec"], "role": role}}
        mark = self.spent if acknowledgement is None else acknowledgement
        return self._judged(new if mark is None else manifests.marked(new, annotations={ANNOTATION: mark}), **request)

    def remove(self, **request: Any) -> Judgement:
        """What a removal is answered."""
        return self._judged(None, **request)

    def issued(self) -> list[ApiKey]:
        """The keys, with a token where nothing speaks against it."""
        member = self._model(self.manifest)
        made = []
        for body in self.keys:
            key = change(ApiKey, old=body).subject
            is_issued = key.spec.for_role in (None, member.spec.role)
            reason = "Suspended" if key.spec.suspended or member.name in self.suspended else "Issued"
            if is_issued:
                key = issued(key, member, self.organization, at=NOW, reason=reason)
            if is_issued and key.spec.ttl is not None:
                expires_at = NOW + parse_duration(key.spec.ttl)
                key = key.model_copy(update={"status": key.status.model_copy(update={"expires_at": expires_at})})
            made.append(key)
        return made

    def counted(self) -> Body:
        """The member, with the status that the operator writes."""
        member = self._model(self.manifest)
        seen = MembershipObservation(membership=member, organization=self.organization, keys=self.issued(), now=NOW)
        (update,) = [action for action in plan_membership(seen).actions if isinstance(action, UpdateStatus)]
        return {**self.manifest, "status": update.status.model_dump(by_alias=True, mode="json", exclude_none=True)}

    def _model(self, body: Body) -> Membership:
        return change(Membership, old=body).subject

    def _judged(self, new: Body | None, **request: Any) -> Judgement:
        old = self.counted()
        if self.spent is not None:
            old = manifests.marked(old, annotations={ANNOTATION: self.spent})
        facts = {"organization": self.organization, **self.facts}
        asked = evidence.of_membership(change(Membership, old=old, new=new), keys=None, **facts)
        assert isinstance(asked, MembershipEvidence)
        # The webhook lists keys only where it has to; else the status tells them.
        keys = self.issued() if asked.asks_for_keys else None
        return evidence.judged(Membership, old=old, new=new, keys=keys, **facts, **request)


def shown(answer: Judgement) -> tuple[bool, list[str], str]:
    """Verdict, warnings and refusal, without what differs from one moment to the next."""
    return answer.allowed, [plain(warning) for warning in answer.warnings], plain(answer.message)
