"""The console behind a login, with real tokens: whom the API server takes the person for, and what nobody may forge."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from support.api.audit import Audit
from support.api.client import Client
from support.cluster import people
from support.cluster.identity import CONSOLE, VERIFIER, config_of, install_identities
from support.cluster.world import World, fresh_world
from support.objects import manifests
from support.programs.console import fields_of
from support.programs.console_server import HOST, ConsoleServer, Visit
from support.programs.oidc import CLIENT, Provider, provider
from support.run.eventually import eventually
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

OLGA, OTTO = "olga@acme.io", "otto@elsewhere.example"
OTHER_KEY = rsa.generate_private_key(65537, 2048)
IMPERSONATES = (
    "--set=console.enabled=true",
    "--set=console.url=https://console.acme.test",
    "--set=console.mode=Impersonation",
    "--set=console.oidc.issuerUrl=https://login.acme.io",
    "--set=console.oidc.clientId=tenure-console",
)
FORGED = {
    "Impersonate_User": "root@acme.io",
    "Impersonate_Group": "system:masters",
    "X_Remote_User": "root@acme.io",
    "X_Forwarded_User": "root@acme.io",
    "X_Forwarded_Email": "root@acme.io",
    "X_Auth_Request_Email": "root@acme.io",
}


@dataclass(frozen=True)
class Behind:
    """A console in one of the modes.

    Attributes:
        impersonator: Who asks the API server in people's names. Empty if they do it themselves.
    """

    server: ConsoleServer
    login: Provider
    world: World
    impersonator: str

    def visit(self, email: str = OLGA, **claims: Any) -> Visit:
        """Return what somebody sees who has logged in."""
        return self.server.as_person(self.login.token(email, **claims))

    def path(self, rest: str) -> str:
        """Return a path of the organization's pages."""
        return f"/{self.world.api.namespace}/{rest}"


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("login")) as running:
        yield running


@pytest.fixture(scope="module")
def plane(login: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    arguments = (
        *(f"--oidc-issuer-url={login.url}", f"--oidc-client-id={CLIENT}", f"--oidc-ca-file={login.ca}"),
        "--oidc-username-claim=email",
    )
    folder = tmp_path_factory.mktemp("plane")
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS, apiserver_args=arguments) as plane:
        plane.kubectl("apply", "--server-side", f"--filename={CHECKOUT / 'manifests' / 'roles.yaml'}")
        install_identities(plane, *IMPERSONATES)
        yield plane


@pytest.fixture(scope="module")
def world(plane: ControlPlane) -> Iterator[World]:
    with fresh_world(plane) as world:
        world.api.create("organizations", manifests.organization())
        for name, role in (("olga", "Owner"), ("alice", "Member"), ("anna", "Member"), ("bob", "Viewer")):
            world.api.create("memberships", manifests.member(name, role))
        for name, role in (("olga", "owner"), ("bob", "viewer")):
            binding = {
                "apiVersion": f"{people.RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"test-{name}"},
                "roleRef": {"apiGroup": people.RBAC, "kind": "ClusterRole", "name": f"tenure-{role}"},
                "subjects": [people.subject(f"{name}@acme.io")],
            }
            world.api.create("rolebindings", binding)
            assert isinstance(world.api, Client)
            people.wait_permitted(world.api, f"{name}@acme.io", "list", "memberships", name="")
        yield world


@pytest.fixture(scope="module", params=["PassThrough", "Impersonation"])
def behind(
    request: pytest.FixtureRequest,
    login: Provider,
    plane: ControlPlane,
    world: World,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("console")
    place = f"--namespace={world.api.namespace}"
    if request.param == "PassThrough":
        server, impersonator = ConsoleServer.passing_through(plane.kubeconfig, folder / "log", place), ""
    else:
        issuer = (f"--issuer-url={login.url}", f"--issuer-ca-file={login.ca}", f"--client-id={CLIENT}")
        server = ConsoleServer(config_of(plane, CONSOLE), folder / "log", "--mode=Impersonation", *issuer, place)
        impersonator = CONSOLE
    with server:
        made = Behind(server, login, world, impersonator)
        eventually(lambda: made.visit().get("/").status_code == 200, within=60, describe="the issuer's keys are known")
        yield made


def test_a_person_has_their_own_rights(behind: Behind, plane: ControlPlane) -> None:
    assert plane.audit_log is not None
    audit = Audit(plane.audit_log)
    name = "anna" if behind.impersonator else "alice"
    olga, path = behind.visit(), behind.path(f"members/{name}/role/?to=Analyst")
    (row,) = olga.json("/")["organizations"]
    assert (row["namespace"], row["member"], row["role"]) == (behind.world.api.namespace, "olga", "Owner")
    assert olga.json(path)["verdict"] == {"allowed": True, "message": "", "warnings": []}
    assert olga.json(path)["verdict"] == {"allowed": True, "message": "", "warnings": []}
    answer = olga.post(path, olga.form(path, confirm=name))
    assert answer.status_code == 200, answer.text
    assert behind.world.member(name)["spec"]["role"] == "Analyst"
    (patch,) = [one for one in audit.writes(resource="memberships") if "dryRun" not in one.path]
    assert (patch.user, patch.impersonator) == (OLGA, behind.impersonator)
    bob = behind.visit("bob@acme.io").json(behind.path(f"members/{name}/role/?to=Viewer"))
    assert 'User "bob@acme.io" cannot patch resource' in bob["verdict"]["message"]
    assert behind.visit(OTTO).get(behind.path("members/")).status_code == 403


def test_no_header_but_the_token_says_who_somebody_is(behind: Behind) -> None:
    alone = Visit(behind.server)
    for headers in ({}, FORGED, {"Authorization": "Basic b2xnYTpvbGdh"}, {"Authorization": "Bearer "}):
        answer = alone.get(behind.path("members/"), **headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "alice" not in answer.text
    bob = behind.visit("bob@acme.io")
    shown = bob.send("GET", behind.path("members/"), **FORGED).text
    assert "bob@acme.io" in shown
    assert "root@acme.io" not in shown
    path = behind.path("members/alice/role/?to=Viewer")
    assert not bob.send("GET", path, Accept="application/json", **FORGED).json()["verdict"]["allowed"]


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": 1, "iat": 0}, id="expired"),
        pytest.param({"aud": "another-client"}, id="of another client"),
        pytest.param({"iss": "https://evil.example"}, id="of another issuer"),
        pytest.param({"email": None}, id="without a name"),
        pytest.param({"email_verified": False}, id="address not verified"),
        pytest.param({"email": "system:admin"}, id="a reserved name"),
        pytest.param({"key": OTHER_KEY}, id="signed by somebody else"),
    ],
)
def test_a_token_that_proves_nothing_shows_nothing(behind: Behind, claims: dict[str, Any]) -> None:
    email = claims.pop("email", OLGA) if (claims := dict(claims)) else OLGA
    answer = behind.visit(**{"email": email, **claims}).get(behind.path("members/"))
    assert answer.status_code in ({401, 403} if email == "system:admin" else {401}), answer.text
    assert "alice" not in answer.text


def test_a_form_survives_an_expired_token(behind: Behind) -> None:
    path = behind.path("invite/?to=Viewer&addresses=zoe@acme.io")
    name = f"zoe{behind.server.port}"
    path = path.replace("zoe", name)
    form = behind.visit().form(path)
    late = behind.visit(exp=1, iat=0)
    answer = late.post(path, form)
    assert answer.status_code == 401
    assert "No object was changed, and this page keeps what you entered" in answer.text
    assert fields_of(answer.text) == form
    assert behind.world.api.get("memberships", name) is None
    assert behind.visit("bob@acme.io").post(path, fields_of(answer.text)).status_code == 403, "it is sealed for olga"
    done = behind.visit().post(path, fields_of(answer.text))
    assert done.status_code == 200, done.text
    assert behind.world.member(name)["spec"]["role"] == "Viewer"


def test_the_console_takes_requests_for_its_own_address_only(behind: Behind) -> None:
    olga, path = behind.visit(), behind.path("members/olga/role/?to=Viewer")
    linked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert olga.get(path, **linked).status_code == 200, "a login leads here from another website"
    assert olga.get(path, **{**linked, "Sec_Fetch_Dest": "iframe"}).status_code == 403
    assert olga.get(path, Host="evil.example").status_code == 421
    form = olga.form(path)
    for headers in (linked, {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": None, "Origin": "http://" + HOST}):
        assert olga.post(path, form, **headers).status_code == 403
    assert behind.world.member("olga")["spec"]["role"] == "Owner"


def test_a_hijacked_console_can_do_no_more_than_the_people(plane: ControlPlane, world: World) -> None:
    account, place = config_of(plane, CONSOLE), f"--namespace={world.api.namespace}"
    world.api.create("secrets", {"metadata": {"name": "hidden"}, "stringData": {"token": "x"}})

    def refused(*arguments: str) -> str:
        done = plane.kubectl(f"--kubeconfig={account}", place, *arguments, check=False)
        return "" if done.returncode == 0 else done.stderr

    path = f"/apis/tenure.dev/v1alpha1/namespaces/{world.api.namespace}"
    assert not refused(f"--as={OLGA}", "get", f"--raw={path}/memberships")
    for arguments in (
        ("get", f"--raw={path}/memberships"),
        (f"--as={OTTO}", "get", f"--raw={path}/memberships"),
        (f"--as={OLGA}", "get", f"--raw=/api/v1/namespaces/{world.api.namespace}/secrets/hidden"),
        (f"--as={OLGA}", "--as-group=system:masters", "get", f"--raw={path}/memberships"),
        ("--as=system:serviceaccount:tenure-system:tenure-controller", "get", f"--raw={path}/memberships"),
        ("--as=system:node:worker", "get", f"--raw={path}/memberships"),
    ):
        assert "forbidden" in refused(*arguments), arguments


def test_the_console_refuses_wider_rights_and_missing_ones(
    plane: ControlPlane, login: Provider, tmp_path: Path
) -> None:
    issuer = (f"--issuer-url={login.url}", f"--issuer-ca-file={login.ca}", f"--client-id={CLIENT}")
    bare = ConsoleServer(config_of(plane, VERIFIER), tmp_path / "bare", "--mode=Impersonation", *issuer, health_port=0)
    assert "missing rights: impersonate:user-info users.authentication.k8s.io in the whole cluster" in refusal(bare)
    wide = ConsoleServer(plane.kubeconfig, tmp_path / "wide", "--mode=Impersonation", *issuer, health_port=0)
    assert "may impersonate everybody for everything" in refusal(wide)


def refusal(server: ConsoleServer) -> str:
    """Return what a console says that doesn't start."""
    server.start(ready=False)
    eventually(lambda: not server.running, within=60, describe="the console ends")
    assert server.exit_code == 1
    return server.log
