"""An invitation on the real system: what waits for an acceptance, who may say that there was one, and who needs none.

The operators run as the chart's ServiceAccount, under the chart's policy on status. The mail process is played by
somebody with its name and every right, so nothing but the policy stops it.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from support.api.api import Api, ApiRefusedError
from support.cluster.access import giving, reads, subjects, user, wait_reads, wait_role
from support.cluster.identity import CONTROLLER, MAIL, config_of, install_identities
from support.cluster.world import Body, World, fresh_world
from support.objects.manifests import api_key, member, organization
from support.programs.altered import EVERYBODY_IS_NEW, altered_operator
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.lease import Lease
from tenure.domain.roles import Role
from tenure.kube.names import MAIL_LEASE
from tenure_dev.chart import NAMESPACE, render
from tenure_dev.controlplane import ControlPlane
from tenure_dev.operator import COMMAND
from tenure_dev.paths import CHECKOUT

INVITES = organization(invitations={"mode": "RequireAcceptance"})
ACCEPTED_AT = "2027-02-22T08:30:00.123456Z"
"""Tenure writes whole seconds, so who wrote this again would change it."""


class Setting(NamedTuple):
    """A namespace whose newcomers have to accept at once, and one of an operator as users run it."""

    plane: ControlPlane
    newcomers: World
    world: World
    mail: Api


@pytest.fixture(scope="module")
def setting(own_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("invitations")
    install_identities(own_plane)
    own_plane.kubectl("apply", "--server-side", f"--filename={CHECKOUT / 'manifests' / 'roles.yaml'}")
    own_plane.kubectl("create", "clusterrolebinding", "mail", "--clusterrole=cluster-admin", f"--user={MAIL}")
    policy = render("--show-only=templates/statuspolicy.yaml")
    own_plane.kubectl("apply", "--filename=-", input=policy)
    hold_mail_lease(own_plane)
    with ExitStack() as stack:
        newcomers, world = (stack.enter_context(fresh_world(own_plane)) for _ in range(2))
        wait_policy(newcomers)
        for name, one, command in (("new", newcomers, altered_operator(EVERYBODY_IS_NEW)), ("plain", world, COMMAND)):
            options = (f"--namespace={one.api.namespace}", *giving("RolesAndKeys"))
            config = config_of(own_plane, CONTROLLER)
            stack.enter_context(OperatorProcess(config, folder / f"{name}.log", *options, command=command))
        mail = stack.enter_context(closing(Api(own_plane, newcomers.api.namespace, user=MAIL)))
        yield Setting(own_plane, newcomers, world, mail)
    # Other tests use the control plane, too, and theirs may start a mail process that wants to lead.
    own_plane.kubectl("delete", "--filename=-", input=policy)
    own_plane.kubectl("delete", f"lease/{MAIL_LEASE}", f"--namespace={NAMESPACE}")
    own_plane.kubectl("delete", "clusterrolebinding/mail")


def hold_mail_lease(plane: ControlPlane) -> None:
    now = datetime.now(UTC)
    lease = Lease(NAMESPACE, MAIL_LEASE, "tenure-mail-1", "", now, seconds=3600, renewed=now)
    plane.kubectl("create", "--filename=-", input=json.dumps(lease.to_body()))


def wait_policy(world: World) -> None:
    (probe,) = world.create(organization("probe"))

    def refuses() -> bool:
        return "only its controller writes it" in refusal(world.api, "organizations", "probe", {"owners": ["x"]})

    eventually(refuses, within=30, describe="the policy is in force")
    world.api.delete("organizations", probe["metadata"]["name"])


def refusal(api: Api, plural: str, name: str, status: Body) -> str:
    """What the API server says to a status."""
    try:
        api.patch(plural, name, {"status": status}, subresource="status", dryRun="All")
    except ApiRefusedError as error:
        return str(error) if error.code == 403 else ""
    return ""


@pytest.fixture(scope="module")
def acme(setting: Setting) -> World:
    """Give an organization that invites, and in it alice and her key, who wait."""
    world = setting.newcomers
    world.create(INVITES)
    eventually(lambda: "acceptanceSince" in status(world, "organizations", "acme"), within=30, describe="acme invites")
    world.create(member("alice"), api_key("laptop", "alice"))
    world.wait_reason("laptop", "InvitationPending", within=30)
    return world


def status(world: World, plural: str, name: str) -> Body:
    found = world.api.get(plural, name)
    return found["status"] if found else {}


ALONE = "only Tenure's mail process writes it"
NOTHING_ELSE = "writes status.invitation of Memberships, and nothing else"
FORGED: Body = {"invitation": {"generation": 1, "acceptedAt": ACCEPTED_AT}}


class Forgery(NamedTuple):
    """A status that somebody may not write, and what the API server says to it."""

    account: str
    plural: str
    status: Body
    says: str


ADMINISTRATOR = ""
FORGERIES = {
    "an administrator": Forgery(ADMINISTRATOR, "memberships", FORGED, "only its controller writes it"),
    "the controller": Forgery(CONTROLLER, "memberships", FORGED, ALONE),
    "the controller, beside a field of its own": Forgery(CONTROLLER, "memberships", {**FORGED, "keyCount": 7}, ALONE),
    "mail, the number of keys": Forgery(MAIL, "memberships", {**FORGED, "keyCount": 7}, NOTHING_ELSE),
    "mail, no conditions": Forgery(MAIL, "memberships", {"conditions": None}, NOTHING_ELSE),
    "mail, a key's hash": Forgery(MAIL, "apikeys", {"hash": "sha256:x"}, NOTHING_ELSE),
    "mail, since when": Forgery(MAIL, "organizations", {"acceptanceSince": "2100-01-01T00:00:00Z"}, NOTHING_ELSE),
}
NAMES = {"memberships": "alice", "apikeys": "laptop", "organizations": "acme"}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_nobody_but_the_mail_process_says_who_accepted_and_it_says_nothing_else(
    setting: Setting, acme: World, forgery: Forgery
) -> None:
    with closing(Api(setting.plane, acme.api.namespace, user=forgery.account)) as api:
        assert forgery.says in refusal(api, forgery.plural, NAMES[forgery.plural], forgery.status)


def test_a_key_and_the_rights_of_a_role_wait_until_the_person_accepts(setting: Setting, acme: World) -> None:
    alice = acme.wait_reason("alice", "Active", plural="memberships")
    assert acme.reason("memberships", "alice", "Accepted") == "InvitationPending"
    assert (acme.token("laptop"), reads(acme, "alice", "laptop")) == (None, [False])
    acme.create(member("bob", "Owner"))
    acme.wait_reason("acme", "Bound", plural="organizations", type_="RolesBound", within=30)
    assert user("alice") not in subjects(acme, Role.MEMBER)
    assert acme.reason("organizations", "acme", "MailAvailable") == "Running"

    setting.mail.patch("memberships", "alice", {**preconditions(alice), "status": FORGED}, subresource="status")
    acme.issue("laptop", within=30)
    acme.wait_reason("alice", "Accepted", plural="memberships", type_="Accepted")
    wait_role(acme, "alice", Role.MEMBER)
    wait_reads(acme, "alice", "laptop")
    assert user("bob") not in subjects(acme, Role.OWNER)


def test_two_writers_of_a_status_leave_each_other_alone(setting: Setting, acme: World) -> None:
    """The controller records a role change, and what the mail process wrote stays to the microsecond."""
    acme.create(member("carol"), api_key("phone", "carol"))
    acme.wait_reason("carol", "Active", plural="memberships")
    written = {**FORGED["invitation"], "delivery": "Sent", "sentAt": "2027-02-22T08:00:00.5Z", "message": "250 ok"}
    setting.mail.patch("memberships", "carol", {"status": {"invitation": written}}, subresource="status")
    acme.issue("phone", within=30)
    acme.change_role("carol", "Viewer")
    acme.wait_role_change("carol", 2)
    acme.wait_rest()
    assert acme.member("carol")["status"]["invitation"] == written
    assert acme.reason("memberships", "carol", "Accepted") == "Accepted"


def test_switching_it_on_locks_nobody_out(setting: Setting) -> None:
    world = setting.world
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    tokens = world.issue("laptop", within=30)
    wait_reads(world, "alice", "laptop")
    world.api.patch("organizations", "acme", {"spec": INVITES["spec"]})
    world.wait_reason("alice", "NotRequired", plural="memberships", type_="Accepted", within=30)
    world.create(api_key("phone", "alice"), member("dora"), api_key("tablet", "dora"))
    assert world.issue("laptop", "phone", "tablet", within=30)["laptop"] == tokens["laptop"]
    wait_role(world, "alice", Role.MEMBER)
    wait_role(world, "dora", Role.MEMBER)


def preconditions(stored: Body) -> Body:
    """What the mail process has a write depend on."""
    return {"metadata": {field: stored["metadata"][field] for field in ("uid", "resourceVersion")}}
