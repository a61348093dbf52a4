"""Rules of an organization on who may become what: denied transitions, domains of addresses, one Membership each."""

from collections.abc import Iterable

from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.organization import FromRole, ToRole
from tenure.domain.roles import Role


def transition_refusal(organization: Organization, old: Membership | None, new: Membership) -> str | None:
    """Why the organization denies a new member (`old` is None) their role, or a member the step to another one."""
    before = old.spec.role if old is not None else None
    if before is new.spec.role or not is_denied(organization, before, new.spec.role):
        return None
    return explain_denial(organization, before, new.spec.role)


def is_denied(organization: Organization, old: Role | None, new: Role) -> bool:
    """Whether the organization denies a member the step from `old` (None: a new member) to `new`."""
    changes = organization.spec.role_changes
    # "*" is any role, and a new member has none: else denying promotions to Owner would deny the first Owner too.
    before = {FromRole.NONE} if old is None else {FromRole.ANY, FromRole(old.value)}
    return any(
        denied.from_role in before and denied.to_role in (ToRole.ANY, ToRole(new.value))
        for denied in (changes and changes.deny) or ()
    )


def allowed_roles(organization: Organization, old: Role | None) -> list[Role]:
    """The roles that a member with the role `old` (None: a new member) may be given instead."""
    return [role for role in Role if role is not old and not is_denied(organization, old, role)]


def explain_denial(organization: Organization, old: Role | None, new: Role) -> str:
    """Say what is denied, and what is allowed instead."""
    step = f"{old} -> {new}" if old is not None else f"a new member with the role {new}"
    allowed = ", ".join(allowed_roles(organization, old)) or "no other role"
    return f"spec.role: Organization {organization.name} denies {step} (spec.roleChanges.deny). It allows {allowed}."


def domain_refusal(organization: Organization, member: Membership) -> str | None:
    """Why a person's e-mail address doesn't belong to the organization; None: it does."""
    domains = organization.spec.allowed_email_domains
    name = member.spec.subject.name
    if not domains or not member.is_person or name.rpartition("@")[2] in domains:
        return None
    return (
        f"spec.subject.name: Organization {organization.name} doesn't allow the domain of {name}. It allows "
        f"{', '.join(domains)} (spec.allowedEmailDomains)."
    )


def duplicate_refusal(member: Membership, others: Iterable[Membership]) -> str | None:
    """Why somebody can't be a member: they are one already, by another Membership; None: they can."""
    subject = member.spec.subject
    for other in others:
        if other.name != member.name and other.spec.subject == subject and not other.metadata.deleting:
            return (
                f"spec.subject: {subject.name} is already a member, with Membership {other.name}. Change the role of "
                "that Membership instead."
            )
    return None
