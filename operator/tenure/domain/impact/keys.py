"""The impact of changes of ApiKeys themselves, by the decision of the webhook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tenure.domain.admission.decide import decide
from tenure.domain.admission.evidence import ApiKeyEvidence
from tenure.domain.admission.request import Change
from tenure.domain.impact.step import Step
from tenure.domain.impact.tokens import LostToken
from tenure.domain.impact.tree import Address
from tenure.domain.resources import ApiKey, Membership, Organization


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
        decision = decide(_evidence(step, change))
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
                # The report says in its own words what becomes of the token.
                remarks=decision.judgement.warnings if token is None else (),
                refusals=refusals,
            )


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
    return ApiKeyEvidence(
        change=change,
        now=step.now,
        installation=step.installation,
        missing_deletion=(),
        membership=membership,
        organization=_organization(step, membership, key.namespace),
        may_revoke=True,
        missing_grants=(),
        siblings=step.keys_after(member),
    )


def _organization(step: Step, membership: Membership | None, namespace: str) -> Organization | None:
    if membership is None:
        return step.head.organization_in(namespace)
    return step.head.organization_of(membership) or step.base.organization_of(membership)
