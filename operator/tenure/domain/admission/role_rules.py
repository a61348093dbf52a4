"""Checks an organization's rules for members: denied transitions, e-mail domains, and one Membership per person."""

from collections.abc import Iterable

from tenure.domain.installation import Installation
from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.membership import fold
from tenure.domain.resources.role_changes import FromRole, ToRole
from tenure.domain.roles import Role


def transition_refusal(organization: Organization, old: Membership | None, new: Membership) -> str | None:
    """Return why the organization denies the role of a new member (`old` is None) or a role change, or None."""
    before = old.spec.role if old is not None else None
    if before is new.spec.role or not is_denied(organization, before, new.spec.role):
        return None
    return explain_denial(organization, before, new.spec.role)


def is_denied(organization: Organization, old: Role | None, new: Role) -> bool:
    """Return whether the organization denies the role change from `old` (None for a new member) to `new`."""
    changes = organization.spec.role_changes
    # "*" doesn't match a new member, who has no role. Otherwise a denied promotion to Owner would deny the first Owner.
    before = {FromRole.NONE} if old is None else {FromRole.ANY, FromRole(old.value)}
    return any(
        denied.from_role in before and denied.to_role in (ToRole.ANY, ToRole(new.value))
        for denied in (changes and changes.deny) or ()
    )


def allowed_roles(organization: Organization, old: Role | None) -> list[Role]:
    """Return the roles that a member with the role `old` (None for a new member) can get instead."""
    return [role for role in Role if role is not old and not is_denied(organization, old, role)]


def explain_denial(organization: Organization, old: Role | None, new: Role) -> str:
    """Return the refusal that says what is denied, and what is allowed instead."""
    step = f"{old} -> {new}" if old is not None else f"a new member with the role {new}"
    allowed = ", ".join(allowed_roles(organization, old)) or "no other role"
    return f"spec.role: Organization {organization.name} denies {step} (spec.roleChanges.deny). It allows {allowed}."


def domain_refusal(organization: Organization, member: Membership, field: str = "spec.subject.name") -> str | None:
    """Return why the organization doesn't allow the domain of a person's e-mail address, or None if it does."""
    domains = organization.spec.allowed_email_domains
    subject = member.spec.subject
    if not domains or not member.is_person:
        return None
    if subject.is_address and subject.name.rpartition("@")[2].lower() in domains:
        return None
    what = f"the domain of {subject.name}" if subject.is_address else f"{subject.name}, which isn't an e-mail address"
    return (
        f"{field}: Organization {organization.name} doesn't allow {what}. It allows "
        f"{', '.join(domains)} (spec.allowedEmailDomains)."
    )


def duplicate_refusal(member: Membership, others: Iterable[Membership]) -> str | None:
    """Return why the subject can't be added again if another Membership has it, in whatever case, or None."""
    subject = member.spec.subject
    for other in others:
        if other.name != member.name and other.spec.subject.folded == subject.folded and not other.metadata.deleting:
            spelled = "" if other.spec.subject == subject else f" as {other.spec.subject.name}"
            return (
                f"spec.subject: {subject.name} is already a member{spelled}, with Membership {other.name}. Change the "
                f"role of that Membership instead. To rename it, first delete Membership {other.name} and its ApiKeys, "
                f"and create {member.name} once they are gone."
            )
    return None


def spelling_warning(member: Membership, installation: Installation) -> str | None:
    """Return the warning that Kubernetes can't know a person by the given name, because it has the prefix, or None."""
    prefix, name = installation.username_prefix, member.spec.subject.name
    if not member.is_person or not prefix or not fold(name).startswith(fold(prefix)):
        return None
    return (
        f"spec.subject.name: {name} begins with the installation's usernamePrefix {prefix}, so Kubernetes would have "
        f"to know this member as {installation.username(name)}. Leave the prefix out: {name[len(prefix) :]}"
    )
