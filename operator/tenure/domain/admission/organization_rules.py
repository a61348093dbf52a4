"""Checks that an Organization has a namespace of its own, and enforces its protection against deletion."""

from collections.abc import Iterator, Sequence

from tenure.domain.admission.request import Change
from tenure.domain.admission.verdict import join_names
from tenure.domain.installation import Installation
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import Membership, Organization

_MAX_NAMESPACE = 63
_STRICTNESS = tuple(WhenKeysExist)


def placement_refusals(
    change: Change[Organization], others: Sequence[Organization], system_namespace: str
) -> Iterator[str]:
    """Yield the reasons why an Organization can't be created in its namespace. `system_namespace` is Tenure's own."""
    if change.old is not None:
        return
    own = _own_namespace(change)
    if change.namespace == "default" or change.namespace.startswith("kube-"):
        yield (
            f"metadata.namespace: an Organization can't be in {change.namespace}, because everyone who may create a "
            f"pod there can read its keys. Use a namespace of its own (kubectl create namespace {own})."
        )
    if change.namespace == system_namespace:
        yield (
            f"metadata.namespace: an Organization can't be in {change.namespace}, because Tenure itself runs there and "
            "its members could read Tenure's Secrets. Use a namespace of its own "
            f"(kubectl create namespace {own})."
        )
    if others:
        yield (
            f"metadata.namespace: namespace {change.namespace} already has Organization {others[0].name}, and it can "
            "have only one. Use another namespace."
        )


def _own_namespace(change: Change[Organization]) -> str:
    """Return a name for the organization's own namespace. A namespace's name has no dots and at most 63 characters."""
    return change.subject.name.replace(".", "-")[:_MAX_NAMESPACE].rstrip("-")


def protection_refusal(change: Change[Organization]) -> str | None:
    """Return why an Organization can't be deleted or handed to the garbage collector, or None if it can."""
    old = change.old
    if old is None or not change.removes or old.metadata.deleting or not old.spec.deletion_protection:
        return None
    return (
        f"spec.deletionProtection: Organization {old.name} is protected against deletion. First run: "
        f"kubectl patch organizations.tenure.dev {old.name} -n {old.namespace} --type merge -p "
        f'\'{{"spec":{{"deletionProtection":false}}}}\''
    )


def deletion_warning(change: Change[Organization]) -> str | None:
    """Return the warning that says how many keys a deletion revokes, or None."""
    old = change.old
    working = old.status.keys.valid if old is not None and old.status.keys is not None else 0
    if old is None or not change.removes or not working:
        return None
    keys = "1 API key" if working == 1 else f"{working} API keys"
    return f"Deleting Organization {old.name} revokes {keys}. Programs that use them stop working immediately."


def loosened_warnings(change: Change[Organization], installation: Installation) -> Iterator[str]:
    """Yield the warnings that a change takes a protection away, which a tool may do that replaces the whole object."""
    old, new = change.old, change.new
    if old is None or new is None:
        return
    if old.spec.deletion_protection and not new.spec.deletion_protection:
        yield f"spec.deletionProtection: Organization {new.name} is no longer protected against deletion."
    before, after = (installation.policy(one).when_keys_exist for one in (old, new))
    if _STRICTNESS.index(after) < _STRICTNESS.index(before):
        condition = "if it acknowledges them" if after is WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT else "with a warning"
        yield (
            f"spec.roleChanges.whenKeysExist: {before} -> {after}. A role change that revokes keys is allowed from now "
            f"on, {condition}."
        )


def newly_suspended(change: Change[Organization]) -> list[str]:
    """Return the names of the members that a change suspends."""
    if change.old is None or change.new is None:
        return []
    before = {member.name for member in change.old.spec.suspended_members or ()}
    return [member.name for member in change.new.spec.suspended_members or () if member.name not in before]


def lifted_suspension_warning(change: Change[Organization]) -> str | None:
    """Return the warning that a change lifts suspensions, so that keys work again, or None.

    A tool that replaces the whole object lifts suspensions that aren't in Git, for example `kubectl replace`.
    """
    old, new = change.old, change.new
    if old is None or new is None:
        return None
    listed = [member.name for member in new.spec.suspended_members or ()]
    if old.spec.suspended and not new.spec.suspended:
        rest = f", except those of {join_names(listed)} (spec.suspendedMembers)" if listed else ""
        return f"spec.suspended: the suspension of Organization {new.name} is lifted. Its keys work again{rest}."
    lifted = [member.name for member in old.spec.suspended_members or () if member.name not in listed]
    if not lifted:
        return None
    still = " as soon as spec.suspended is lifted too" if new.spec.suspended else ""
    return f"spec.suspendedMembers: the suspension of {join_names(lifted)} is lifted. Their keys work again{still}."


def unknown_members_warning(names: Sequence[str]) -> str | None:
    """Return the warning that suspended names aren't Memberships, so that no key is suspended, or None."""
    if not names:
        return None
    return (
        f"spec.suspendedMembers: there is no Membership {join_names(names)} in this namespace, so no key is affected. "
        "Check the name: it must be the Membership's, not the person's."
    )


def suspension_warning(organization: Organization, owners: Sequence[Membership]) -> str | None:
    """Return the warning that every Owner of the organization is suspended, or None."""
    listed = {member.name for member in organization.spec.suspended_members or ()}
    if not owners or not all(owner.name in listed for owner in owners):
        return None
    return (
        f"spec.suspendedMembers: every Owner of Organization {organization.name} is suspended now: "
        f"{join_names(owner.name for owner in owners)}"
    )
