"""The impact of changes of ApiKeys themselves, by the decision of the webhook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tenure.domain.admission.authority import other_holders
from tenure.domain.admission.decide import decide
from tenure.domain.admission.decision import Decision
from tenure.domain.admission.handover import handover_warnings, token_outlook
from tenure.domain.admission.key_evidence import ApiKeyEvidence
from tenure.domain.admission.messages import span
from tenure.domain.admission.request import Change
from tenure.domain.admission.verdict import Judgement
from tenure.domain.impact.step import Step
from tenure.domain.impact.tokens import LostToken
from tenure.domain.impact.tree import Address
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.validity import Verdict


@dataclass(frozen=True)
class HandOver:
    """A key that passes from one member to another."""

    former: str
    member: str
    outlook: str
    """What becomes of the former holder's token, in words. Empty if none works."""

    valid_for: str = ""
    """How long that token stays valid, for example `1 h`. Empty if it doesn't."""


@dataclass(frozen=True)
class KeyChange:
    """The change of an ApiKey."""

    key: Address
    member: str
    """Name of the Membership."""

    change: str
    """`added`, `changed` or `removed`."""

    fields: tuple[str, ...]
    """The fields of the spec that differ."""

    file: str
    token: LostToken | None = None
    """The token that the whole change revokes, or None if it revokes none of this key."""

    hand_over: HandOver | None = None
    """The hand-over that the change is. None if it is none, or if it is rejected."""

    remarks: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    """Why the cluster rejects the change."""

    @property
    def passes(self) -> bool:
        """Whether the cluster allows the change."""
        return not self.refusals


def find_key_changes(step: Step, tokens: Mapping[Address, LostToken]) -> Iterator[KeyChange]:
    """Yield the changes of ApiKeys."""
    for address, change in step.changed(ApiKey):
        evidence = _evidence(step, change)
        decision = decide(evidence)
        refusals = (*step.schema_refusals(change), *(one.text for one in decision.refusals))
        token = tokens.get(address)
        if change.matters or refusals:
            yield KeyChange(
                key=address,
                member=change.subject.spec.membership,
                change=name_of(change),
                fields=tuple(differing_fields(change)),
                file=step.file_of(ApiKey, address),
                token=token,
                hand_over=None if refusals else _hand_over(evidence, token),
                remarks=tuple(_remarks(evidence, decision, token)),
                refusals=refusals,
            )


def _remarks(evidence: ApiKeyEvidence, decision: Decision, token: LostToken | None) -> Iterator[str]:
    """Yield the warnings, except for those about tokens, of which the report says in its own words what they become."""
    if token is None:
        told = Judgement().warn(next(handover_warnings(evidence), None)).warnings
        yield from (warning for warning in decision.judgement.warnings if warning not in told)


def _hand_over(evidence: ApiKeyEvidence, lost: LostToken | None) -> HandOver | None:
    """Return the hand-over that a change is, or None if it is none."""
    old, new = evidence.change.old, evidence.change.new
    if old is None or new is None or not evidence.is_handover:
        return None
    former, member = old.spec.membership, new.spec.membership
    if lost is not None and lost.verdict is Verdict.PENDING:
        return HandOver(former, member, "a higher revision revokes the former token")
    if lost is not None and lost.verdict is not Verdict.SUSPENDED and lost.member == old.holder:
        what = f"the former token is revoked, because the same commit changes {old.holder}"
        return HandOver(former, member, f"{what}. To let it stay valid, hand over in an earlier commit")
    outlook = token_outlook(evidence)
    if outlook is None:
        return HandOver(former, member, "")
    if not outlook.overlap:
        return HandOver(former, member, "the former token is revoked, because its overlap is 0s")
    length = span(outlook.overlap)
    return HandOver(former, member, f"the former token is valid for {length}, or until {outlook.until}", length)


def name_of(change: Change[ApiKey] | Change[Organization]) -> str:
    """Return what happens to an object, in one word."""
    return "added" if change.old is None else "removed" if change.removes else "changed"


def differing_fields(change: Change[ApiKey] | Change[Organization]) -> Iterator[str]:
    """Yield the names of the fields of the spec that a change of an object modifies."""
    before, after = change.old_body.get("spec", {}), change.new_body.get("spec", {})
    if change.old is not None and change.new is not None:
        yield from (name for name in sorted({*before, *after}) if before.get(name) != after.get(name))


def _evidence(step: Step, change: Change[ApiKey]) -> ApiKeyEvidence:
    """Return the evidence about a key's change. Who makes it isn't known, so it is taken to be somebody entitled."""
    key = change.subject
    member = Address(key.namespace, key.spec.membership)
    membership = step.head.memberships.get(member) or step.base.memberships.get(member)
    former = step.base.memberships.get(Address(key.namespace, change.old.spec.membership)) if change.old else None
    return ApiKeyEvidence(
        change=change,
        now=step.now,
        installation=step.installation,
        missing_deletion=(),
        membership=membership,
        former=former,
        others={name: step.base.memberships.get(Address(key.namespace, name)) for name in other_holders(change)},
        organization=_organization(step, membership, key.namespace),
        may_revoke=True,
        missing_grants=(),
        siblings=step.keys_after(member),
    )


def _organization(step: Step, membership: Membership | None, namespace: str) -> Organization | None:
    if membership is None:
        return step.head.organization_in(namespace)
    return step.head.organization_of(membership) or step.base.organization_of(membership)
