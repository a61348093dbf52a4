"""The impact on a member whose Membership changes, by the decision of the webhook."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tenure.domain.admission.decide import decide
from tenure.domain.admission.decide_memberships import check_acknowledgement, check_duplicate, check_last_owner
from tenure.domain.admission.decision import Decision, Refusal
from tenure.domain.admission.evidence import MembershipEvidence
from tenure.domain.admission.messages import service_account_warning
from tenure.domain.admission.request import Change
from tenure.domain.admission.role_rules import duplicate_refusal
from tenure.domain.admission.verdict import join_names
from tenure.domain.impact.step import Step, address_of
from tenure.domain.impact.tokens import kept_service_account_keys
from tenure.domain.impact.tree import Address
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.roles import Role


@dataclass(frozen=True)
class Impact:
    """The impact of a change on one member's keys."""

    member: Address
    subject: str
    is_person: bool
    old_role: Role | None
    """None for a new member."""

    new_role: Role | None
    """None if the member is removed."""

    file: str
    when_keys_exist: WhenKeysExist
    """What the organization does about a role change that revokes keys, as far as it is known."""

    revoked: tuple[str, ...] = ()
    reissued: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    key_ids: Mapping[str, str] = field(default_factory=dict)
    """Public ids of the tokens that stop working, if a cluster was asked. A rotated key has two."""

    uses: Mapping[str, str] = field(default_factory=dict)
    """When keys whose tokens stop working were last used, in words, if a cluster was asked and knows it."""

    left_behind: Mapping[str, str] = field(default_factory=dict)
    """Keys of a removed member that stay, with their files. A key without a file stays in the cluster."""

    acknowledgement: str | None = None
    """The value of the annotation that is missing, or None if none is."""

    flaw: str = ""
    """Why the present annotation doesn't acknowledge the keys. Empty if there is no annotation."""

    remarks: tuple[str, ...] = ()
    """Warnings about keys of service accounts, or about keys that a new member gets."""

    refusals: tuple[str, ...] = ()
    """Why the webhook rejects the change, even with an acknowledgement."""

    @property
    def passes(self) -> bool:
        """Whether nothing has to be added or undone."""
        return self.acknowledgement is None and not self.refusals

    @property
    def is_refused(self) -> bool:
        """Whether the webhook rejects the change as it is."""
        enforced = self.when_keys_exist is WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT
        return bool(self.refusals) or (enforced and self.acknowledgement is not None)


def find_member_impacts(step: Step) -> Iterator[Impact]:
    """Yield the impact on every member whose Membership changes."""
    for member, change in step.changed(Membership):
        evidence = member_evidence(step, change)
        impact = _impact(step, member, evidence, decide(evidence))
        if change.matters or impact.refusals:
            yield impact


def member_evidence(step: Step, change: Change[Membership]) -> MembershipEvidence:
    """Return the evidence about a member's change, as if both trees were applied to a cluster."""
    known, old = change.subject, change.old
    keys = step.base.keys_at_stake(address_of(known)) if old else step.base.keys_of(address_of(known))
    return MembershipEvidence(
        change=change,
        now=step.now,
        installation=step.installation,
        missing_deletion=(),
        missing_grants=(),
        organization=step.organization_after(old or known),
        issuer=step.base.organization_of(old) if old else None,
        when_keys_exist=_when_keys_exist(step, known),
        namesakes=list(_members_before(step, known)) if old is None else None,
        keys=keys,
        changed_keys={key.name: step.key_after(key) for key in keys},
        service_account_keys=len(list(kept_service_account_keys(step, known.namespace))) if _steps_down(change) else 0,
        owners=list(_owners(step, change)),
        namespace_terminating=False,
    )


def _impact(step: Step, member: Address, evidence: MembershipEvidence, decision: Decision) -> Impact:
    change, price = evidence.change, evidence.price
    old, new, known = change.old, change.new, change.subject
    return Impact(
        member=member,
        subject=known.spec.subject.name,
        is_person=known.is_person,
        old_role=old.spec.role if old else None,
        new_role=evidence.new_role,
        file=step.file_of(Membership, member),
        when_keys_exist=evidence.policy,
        revoked=tuple(key.name for key in price.revoked),
        reissued=tuple(sorted((*(key.name for key in price.reissued), *price.issued))),
        kept=tuple(key.name for key in price.kept),
        key_ids={key.name: key.all_key_ids for key in (*price.revoked, *price.reissued) if key.key_id},
        uses={name: use for name, use in price.uses.items() if name in price.dying},
        left_behind={} if new else _left_behind(step, member),
        remarks=tuple(_remarks(step, evidence, decision)),
        refusals=(*step.schema_refusals(change), *_in_words_of_a_tree(step, decision.refusals, old or known)),
        **_acknowledgement(evidence),
    )


def _remarks(step: Step, evidence: MembershipEvidence, decision: Decision) -> Iterator[str]:
    """Yield the warnings that the report doesn't say in its own words."""

    def was_owner(member: Membership) -> bool:
        before = step.base.memberships.get(address_of(member))
        return before is not None and before.spec.role is Role.OWNER

    old = evidence.change.old
    if old is None:
        yield from decision.judgement.warnings
        return
    if text := service_account_warning(old, evidence.service_account_keys or 0):
        yield text
    if evidence.takes_owner and evidence.remaining_owners and not any(map(was_owner, evidence.remaining_owners)):
        names = join_names(owner.name for owner in evidence.remaining_owners)
        yield (
            f"The only remaining Owners are new ({names}). Argo CD and Flux apply this only in two commits: first make "
            f"{names} Owner, then change {old.name}."
        )


def _in_words_of_a_tree(step: Step, refusals: Iterable[Refusal], member: Membership) -> Iterator[str]:
    """Yield the refusals that no acknowledgement lifts, worded for a tree of manifests."""
    for one in refusals:
        if one.rule is check_last_owner:
            yield (
                f"spec.role: Organization {member.spec.organization} must keep an Owner, and no other Membership in "
                "the tree is an Owner. First make another member an Owner, in a commit of its own."
            )
        elif one.rule is check_duplicate and (former := _former(step, member)) is not None:
            yield _two_commits(step, former, member)
        elif one.rule is not check_acknowledgement:
            yield one.text


def _former(step: Step, new: Membership) -> Membership | None:
    """Return the Membership of the same subject that the same change removes, if the member is only renamed."""
    if duplicate_refusal(new, step.head.members_in(new.namespace)) is not None:
        return None
    removed = (one for one in step.base.members_in(new.namespace) if address_of(one) not in step.head.memberships)
    return next((one for one in removed if duplicate_refusal(new, [one]) is not None), None)


def _two_commits(step: Step, former: Membership, new: Membership) -> str:
    """Return the refusal of a renamed Membership, of which no tool removes the old one before it adds the new one."""
    keys = [key.name for key in step.base.keys_of(address_of(former))]
    too = f", and its keys ({', '.join(keys)})" if keys else ""
    return (
        f"spec.subject: {new.spec.subject.name} is still a member when {new.name} is created, with Membership "
        f"{former.name}. A Membership can't be renamed in one commit. Make two commits: first remove {former.name}"
        f"{too}. Once that is applied, add {new.name}{' and its keys' if keys else ''}."
    )


def _when_keys_exist(step: Step, member: Membership) -> WhenKeysExist:
    """Return what happens to a role change that revokes keys, by the status from a cluster or by the manifests."""
    before, after = step.base.organization_of(member), step.head.organization_of(member)
    told = before.status.policy if before else None
    if told and before and (after is None or before.spec.role_changes == after.spec.role_changes):
        return told.when_keys_exist
    organization = after or before
    return step.installation.policy(organization).when_keys_exist if organization else WhenKeysExist.WARN


def _left_behind(step: Step, member: Address) -> Mapping[str, str]:
    left = map(address_of, step.head.keys_of(member))
    return {key.name: step.head.file_of(ApiKey, key) for key in left}


def _members_before(step: Step, new: Membership) -> Iterator[Membership]:
    """Yield the members that exist when a new one is created.

    A member that the same change removes is still there, because every tool creates first and removes afterwards.
    """
    yield from step.base.members_in(new.namespace)
    for member in step.head.members_in(new.namespace):
        if address_of(member) not in step.base.memberships and member.name < new.name:
            yield member


def _owners(step: Step, change: Change[Membership]) -> Iterator[Membership]:
    """Yield the members among whom another Owner is looked for.

    If an Owner leaves, only those count that will be there. If an Owner is added, those who leave count too, because
    they are still there. Of several new Owners, the first one by name is applied first.
    """
    after = step.head.members_in(change.namespace)
    if _steps_down(change):
        yield from after
    else:
        yield from step.base.members_in(change.namespace)
        yield from (member for member in after if member.name < change.subject.name)


def _acknowledgement(evidence: MembershipEvidence) -> dict[str, str]:
    """Return the missing annotation, and why the present one isn't enough, even if the organization only warns."""
    new_role, flaw = evidence.new_role, evidence.flaw
    if new_role is None or flaw is None or not evidence.takes_role or evidence.policy is WhenKeysExist.DENY:
        return {}
    # It names every key whose token stops working, also if the key is reissued.
    text = flaw.text if evidence.change.acknowledgements[1] else ""
    return {"acknowledgement": evidence.acknowledgement, "flaw": text}


def _steps_down(change: Change[Membership]) -> bool:
    old, new = change.old, change.new
    return old is not None and old.spec.role is Role.OWNER and (new is None or new.spec.role is not Role.OWNER)
