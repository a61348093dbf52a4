"""How every state of the reference's table is reached on the real system."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support.api.client import fresh_namespace
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import Body, World
from support.objects.manifests import api_key, held, member, organization, role_binding, secret
from support.programs.altered import EVERYBODY_IS_NEW, altered_operator
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.reasons import STATES, State
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

PAST = "2026-01-01T00:00:00Z"
SUBJECTS = {
    "ApiKey": ("apikeys", "laptop"),
    "Membership": ("memberships", "alice"),
    "Organization": ("organizations", "acme"),
}

Arrange = Callable[[World], object]

LAPTOP, ALICE, ACME = api_key("laptop", "alice"), member("alice"), organization()
JDOE = {**ALICE, "spec": {**ALICE["spec"], "subject": {"kind": "User", "name": "jdoe"}}}
SUSPENDED = organization(suspended=True)
PREFIXED = organization(keys={"secretMetadataPrefixes": ["acme.io/"]})
TEAMS = api_key("laptop", "alice", secretTemplate={"labels": {"acme.io/team": "core"}})


def applied(*bodies: Body) -> Arrange:
    """Create these objects."""
    return lambda world: world.create(*bodies)


def issued_then(act: Arrange, *bodies: Body) -> Arrange:
    """Create these objects, by default an organization, a member and a key; do something once the key is issued."""

    def arrange(world: World) -> None:
        world.create(*(bodies or (ACME, ALICE, LAPTOP)))
        world.issue("laptop")
        act(world)

    return arrange


def second_key(world: World) -> None:
    world.create(organization(keys={"maxPerMember": 1}), ALICE, api_key("first", "alice"))
    world.issue("first")
    world.create(LAPTOP)


def asks(request: int) -> Arrange:
    """Ask for a rotation of the key."""
    return lambda world: world.change_key("laptop", rotation={"request": request})


def rotates_twice(world: World) -> None:
    asks(1)(world)
    eventually(lambda: "previous" in world.key("laptop")["status"], within=30, describe="the key is rotated")
    asks(2)(world)


def forbids_and_asks(world: World) -> None:
    world.api.patch("organizations", "acme", {"spec": {"keys": {"requireExpiry": True}}})
    asks(1)(world)


def breaks_the_secret_and_asks(world: World) -> None:
    labels = {"acme.io/team": "not a label!"}
    world.change_key("laptop", secretTemplate={"labels": labels}, rotation={"request": 1})


def younger_organization(world: World) -> None:
    (elder,) = world.create(organization("elder"))

    def younger() -> bool:
        (acme,) = world.create(ACME)
        if acme["metadata"]["creationTimestamp"] > elder["metadata"]["creationTimestamp"]:
            return True
        world.api.delete("organizations", "acme")
        return False

    eventually(younger, every=0.3, describe="acme is a second younger")


def younger_member(world: World) -> None:
    elder = {**ALICE, "metadata": {"name": "elder"}}
    _, first = world.create(ACME, elder)

    def younger() -> bool:
        (alice,) = world.create(ALICE)
        if alice["metadata"]["creationTimestamp"] > first["metadata"]["creationTimestamp"]:
            return True
        world.api.delete("memberships", "alice")
        return False

    eventually(younger, every=0.3, describe="alice's second Membership is a second younger")
    world.create(LAPTOP)


def owner_lost(world: World) -> None:
    world.create(ACME, member("alice", "Owner"))
    eventually(lambda: world.reason("organizations", "acme", "HasOwner") == "Owned", describe="alice owns acme")
    world.change_role("alice", "Member")


def foreign_binding(world: World) -> None:
    world.api.create("rolebindings", role_binding("tenure-viewer"))
    world.create(ACME, ALICE)


def invited(*bodies: Body, mode: str = "RequireAcceptance", **invitation: Any) -> Arrange:
    """Create an organization, and the others once it invites. The mail process is then taken to have written this."""

    def arrange(world: World) -> None:
        world.create(organization(invitations={"mode": mode}))
        eventually(
            lambda: "invitationsSince" in (world.api.get("organizations", "acme") or {})["status"],
            within=30,
            describe="acme invites",
        )
        world.create(*bodies)
        if invitation:
            status = {"invitation": {"generation": 1, **invitation}}
            world.api.patch("memberships", "alice", {"status": status}, subresource="status")

    return arrange


def joins_before(world: World) -> None:
    invited()(world)
    world.api.patch(
        "organizations", "acme", {"status": {"acceptanceSince": "2100-01-01T00:00:00Z"}}, subresource="status"
    )
    world.create(ALICE)


def title(state: State) -> str:
    return f"{state.kind} {state.type}={state.status} {state.reason}"


ARRANGEMENTS: Mapping[str, Arrange] = {
    "ApiKey Ready=True Issued": applied(ACME, ALICE, LAPTOP),
    "ApiKey Ready=False MembershipNotFound": applied(ACME, LAPTOP),
    "ApiKey Ready=False OrganizationNotFound": applied(ALICE, LAPTOP),
    "ApiKey Ready=False MembershipGone": issued_then(lambda world: world.api.delete("memberships", "alice")),
    "ApiKey Ready=False OrganizationGone": issued_then(lambda world: world.api.delete("organizations", "acme")),
    "ApiKey Ready=False RoleChanged": issued_then(
        lambda world: world.change_role("alice", "Viewer"), organization(keys={"onRoleChange": "Revoke"}), ALICE, LAPTOP
    ),
    "ApiKey Ready=False RoleMismatch": applied(ACME, ALICE, api_key("laptop", "alice", forRole="Viewer")),
    "ApiKey Ready=False Expired": applied(ACME, ALICE, api_key("laptop", "alice", expiresAt=PAST)),
    "ApiKey Ready=False Suspended": issued_then(lambda world: world.change_key("laptop", suspended=True)),
    "ApiKey Ready=False InvitationPending": invited(ALICE, LAPTOP),
    "ApiKey Ready=False SecretConflict": applied(secret("laptop"), ACME, ALICE, LAPTOP),
    "ApiKey Ready=False SecretRejected": applied(
        PREFIXED,
        ALICE,
        api_key("laptop", "alice", secretTemplate={"labels": {"acme.io/team": "not a label!"}}),
    ),
    "ApiKey Ready=False QuotaExceeded": second_key,
    "ApiKey Ready=False PolicyViolation": applied(organization(keys={"requireExpiry": True}), ALICE, LAPTOP),
    "ApiKey Ready=False DuplicateSubject": younger_member,
    "ApiKey Ready=False Deleting": issued_then(
        lambda world: world.api.delete("apikeys", "laptop"), ACME, ALICE, held(LAPTOP)
    ),
    "ApiKey SecretTemplateApplied=True Applied": applied(PREFIXED, ALICE, TEAMS),
    "ApiKey SecretTemplateApplied=False AwaitingNextToken": issued_then(
        lambda world: world.change_key("laptop", secretTemplate=None), PREFIXED, ALICE, TEAMS
    ),
    "ApiKey Rotating=False FormerTokenValid": issued_then(rotates_twice),
    "ApiKey Rotating=False HandOverPending": issued_then(
        lambda world: world.change_key("laptop", membership="missing")
    ),
    "ApiKey Rotating=False PolicyViolation": issued_then(forbids_and_asks),
    "ApiKey Rotating=False SecretRejected": issued_then(
        breaks_the_secret_and_asks, organization(keys={"secretMetadataPrefixes": ["acme.io/"]}), ALICE, LAPTOP
    ),
    "Membership Ready=True Active": applied(ACME, ALICE),
    "Membership Ready=False OrganizationNotFound": applied(ALICE),
    "Membership Ready=False Suspended": applied(organization(suspendedMembers=[{"name": "alice"}]), ALICE),
    "Membership Ready=False DuplicateSubject": younger_member,
    "Membership Notified=True Sent": invited(ALICE, delivery="Sent", sentAt=PAST),
    "Membership Notified=False Waiting": invited(ALICE, mode="Notify"),
    "Membership Notified=False Held": invited(ALICE, delivery="Held", message="5 letters went there today"),
    "Membership Notified=False Rejected": invited(ALICE, delivery="Rejected", message="550 no such user"),
    "Membership Notified=False NoAddress": invited(JDOE),
    "Membership Accepted=True Accepted": invited(ALICE, acceptedAt=PAST),
    "Membership Accepted=True NotRequired": joins_before,
    "Membership Accepted=False InvitationPending": invited(ALICE),
    "Organization Ready=True Active": applied(ACME),
    "Organization Ready=False Suspended": applied(SUSPENDED),
    "Organization Ready=False NoOwner": owner_lost,
    "Organization Ready=False NamespaceTaken": younger_organization,
    "Organization HasOwner=True Owned": applied(ACME, member("alice", "Owner")),
    "Organization HasOwner=False AwaitingFirstOwner": applied(ACME, ALICE),
    "Organization HasOwner=False NoOwner": owner_lost,
    "Organization RolesBound=True Bound": applied(ACME, ALICE),
    "Organization RolesBound=False BindingConflict": foreign_binding,
    "Organization MailAvailable=False NoMailProcess": applied(organization(invitations={"mode": "Notify"})),
}
NOT_ARRANGED = {
    "ApiKey Unused=True NotUsed",
    "ApiKey Ready=False SecretExposed",
    "ApiKey Rotating=False DuplicateSubject",
    "ApiKey Rotating=False SecretExposed",
    "ApiKey Rotating=True Announced",
    "Organization RolesBound=False BindingForbidden",
    "Organization RolesBound=False ClusterRoleMissing",
    "Organization MailAvailable=True Running",
}
"""States of a whole cluster, or of an operator without its rights, which tests/e2e/access reaches. And the state
between two steps of a rotation, which tests/e2e/test_rotation.py reaches. And a key is
unused after a day at the earliest: tests/e2e/test_usage.py. And only a restored etcd can give a Membership with a
working key an older one of the same subject: tests/unit/domain/planning/test_rotation.py. And a mail
process: tests/e2e/test_invitations.py."""

REACHED = [state for state in STATES if title(state) not in NOT_ARRANGED]


@contextmanager
def namespaces_for_states(plane: ControlPlane, folder: Path) -> Iterator[Mapping[str, str]]:
    """Give a namespace for each state, all served by one operator."""
    plane.kubectl("apply", "--server-side", f"--filename={CHECKOUT / 'manifests' / 'roles.yaml'}")
    with ExitStack() as stack:
        names = {title(state): stack.enter_context(fresh_namespace(plane)).namespace for state in REACHED}
        options = (*(f"--namespace={name}" for name in names.values()), "--kubernetes-access=Roles")
        command, config = altered_operator(EVERYBODY_IS_NEW), config_of(plane, CONTROLLER)
        with OperatorProcess(config, folder / "operator.log", *options, command=command):
            yield names


def reach(world: World, state: State) -> Body:
    """Bring a namespace into a state, and return the object that is in it."""
    ARRANGEMENTS[title(state)](world)
    plural, name = SUBJECTS[state.kind]
    eventually(lambda: world.reason(plural, name, state.type) == state.reason, within=30, describe=title(state))
    body = world.api.get(plural, name)
    assert body is not None
    return body
