"""Completes two trees with what a cluster would add: an Organization for every member, and issued keys.

If a tree doesn't say whether a key works in a cluster, Tenure assumes that it does. An acknowledgement may therefore
name more keys than exist, but never fewer.
"""

from dataclasses import replace
from datetime import UTC, datetime

from tenure.domain.impact.tree import Address, Tree
from tenure.domain.installation import Installation
from tenure.domain.planning.key_status import issued_status, new_stamp
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.planning.obstacles import find_obstacle
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Organization
from tenure.domain.resources.base import API_VERSION, format_time
from tenure.domain.resources.invitation import InvitationMode
from tenure.domain.resources.organization import OrganizationSpec
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure.domain.validity import Verdict

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""Assumed creation time of a tree's objects, except for those that the change adds."""

_OUTLIVED = {Reason.POLICY_VIOLATION, Reason.QUOTA_EXCEEDED, Reason.SUSPENDED}
"""Reasons that keep a key from being issued, but don't revoke one that was issued before."""


def grounded(base: Tree, head: Tree, now: datetime, installation: Installation) -> tuple[Tree, Tree]:
    """Return the trees before and after a change, with an Organization for every member, and the keys before issued.

    An Organization that is in neither tree is assumed to exist elsewhere. One that the change adds is younger than
    those that exist already, so it isn't in force beside them.
    """
    ground = _assumed_organizations(base, head)
    before = _with_times(base.over(ground), base)
    young = {
        address: organization.model_copy(
            update={"metadata": organization.metadata.model_copy(update={"creation_timestamp": now})}
        )
        for address, organization in head.organizations.items()
        if address not in base.organizations
    }
    after = _with_times(replace(head, organizations={**head.organizations, **young}).over(ground), before)
    issued = {address: _issued(key, before, now, installation) for address, key in before.api_keys.items()}
    return replace(before, api_keys=issued), after


def _with_times(tree: Tree, before: Tree) -> Tree:
    """Return the tree with the times since when the Organizations that exist already invite new members.

    A cluster knows them. In a repository a mode is as old as all else that the change doesn't add. A mode that the
    change adds has no time yet.
    """
    organizations = dict(tree.organizations)
    for address in tree.organizations.keys() & before.organizations.keys():
        status = before.organizations[address].status
        if status.observed_generation < 0:
            mode = before.organizations[address].invitation_mode
            status = status.model_copy(
                update={
                    "invitations_since": None if mode is InvitationMode.NONE else LONG_AGO,
                    "acceptance_since": LONG_AGO if mode is InvitationMode.REQUIRE_ACCEPTANCE else None,
                }
            )
        times = {"invitations_since": status.invitations_since, "acceptance_since": status.acceptance_since}
        status = organizations[address].status.model_copy(update=times)
        organizations[address] = organizations[address].model_copy(update={"status": status})
    return replace(tree, organizations=organizations)


def _assumed_organizations(base: Tree, head: Tree) -> Tree:
    """Return the Organizations of members in namespaces where neither tree has one."""
    known = {address.namespace for address in (*base.organizations, *head.organizations)}
    addresses = {
        Address(member.namespace, member.spec.organization)
        for member in (*base.memberships.values(), *head.memberships.values())
        if member.namespace not in known
    }
    return Tree(organizations={address: _organization(address) for address in sorted(addresses)})


def _organization(address: Address) -> Organization:
    metadata = {
        "name": address.name,
        "namespace": address.namespace,
        "uid": f"{Organization.kind}/{address.name}",
        "resourceVersion": "0",
        "creationTimestamp": format_time(LONG_AGO),
    }
    spec = OrganizationSpec().model_dump(by_alias=True)
    return Organization.from_body(
        {"apiVersion": API_VERSION, "kind": Organization.kind, "metadata": metadata, "spec": spec}
    )


def _issued(key: ApiKey, tree: Tree, now: datetime, installation: Installation) -> ApiKey:
    """Return the key as it would be in a cluster that the tree was applied to. A key from a cluster stays as it is."""
    if key.status.observed_generation >= 0:
        return key
    member = Address(key.namespace, key.spec.membership)
    membership = tree.memberships.get(member)
    # Assume the lowest age. Only a cluster knows the real one, and a higher age could only be an obstacle.
    young = key.model_copy(update={"metadata": key.metadata.model_copy(update={"creation_timestamp": now})})
    seen = ApiKeyObservation(
        api_key=young,
        membership=membership,
        organization=tree.organization_of(membership) if membership else None,
        siblings=tree.keys_of(member),
        now=now,
        installation=installation,
    )
    obstacle = find_obstacle(seen, Verdict.PENDING)
    if obstacle is not None and obstacle.reason not in _OUTLIVED:
        return young
    stamp = new_stamp(seen, now)
    token = Token.mint(bytes(ENTROPY_BYTES), narrowed=stamp.capabilities is not None)
    status = issued_status(seen, stamp, key_id="", token_hash=token.hash, secret_uid=key.name)
    return young.model_copy(update={"status": status})
