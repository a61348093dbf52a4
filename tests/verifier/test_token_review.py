"""An API server that asks the verifier about tokens: a key opens it under a name of its own, while it works."""

import json
from collections.abc import Iterator
from subprocess import CompletedProcess

import pytest
import requests

from support.cluster.identity import CONTROLLER, VERIFIER, config_of
from support.cluster.verified import known, known_key, known_narrow, service_token, wait_code
from support.cluster.world import World, fresh_world
from support.objects.manifests import Body, api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.resources import KINDS
from tenure.domain.roles import Access, Capability, Level, Role, level_of
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure_dev import kubeconfig
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.kubectl import Kubectl
from tenure_dev.paths import CHECKOUT, CRDS

UNAUTHORIZED = "You must be logged in to the server"
PEOPLE = {"olga": Role.OWNER, "alice": Role.MEMBER, "anna": Role.ANALYST, "vic": Role.VIEWER}
VERBS = {Level.VIEW: "get", Level.FULL: "update"}
WRITES = (
    *(("organizations", f"grant-{role.value.lower()}") for role in Role),
    ("apikeys", "revoke"),
    *((resource.plural, verb) for resource in KINDS for verb in ("create", "patch", "delete")),
)


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def plane(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane that asks a verifier about the tokens that it doesn't know."""
    folder = tmp_path_factory.mktemp("plane")
    config = kubeconfig.write(folder / "authenticator.kubeconfig", f"http://127.0.0.1:{port}/v1/tokenreview")
    arguments = [
        f"--authentication-token-webhook-config-file={config}",
        "--authentication-token-webhook-version=v1",
        "--authentication-token-webhook-cache-ttl=1s",
    ]
    with ControlPlane.start(find_or_build(), folder / "plane", crds=CRDS, apiserver_args=arguments) as plane:
        yield plane


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    plane.kubectl("apply", "--server-side", f"--filename={CHECKOUT / 'manifests' / 'roles.yaml'}")
    with OperatorProcess(config_of(plane, CONTROLLER), log, "--no-webhooks", "--kubernetes-access=Roles") as operator:
        yield operator


@pytest.fixture(scope="module")
def verifier(plane: ControlPlane, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VerifierProcess]:
    log = tmp_path_factory.mktemp("verifier") / "verifier.log"
    with VerifierProcess(config_of(plane, VERIFIER), log, "--log-level", "debug", port=port) as verifier:
        yield verifier


@pytest.fixture
def other(plane: ControlPlane) -> Iterator[World]:
    """Give another namespace."""
    with fresh_world(plane) as world:
        yield world


@pytest.fixture
def world(plane: ControlPlane, operator: OperatorProcess) -> Iterator[World]:
    assert operator.running
    with fresh_world(plane) as world:
        yield world


def kubectl(plane: ControlPlane, token: Token, *args: str) -> CompletedProcess[str]:
    """Run kubectl with nothing but a token."""
    config = kubeconfig.write(plane.folder / "nobody.kubeconfig", plane.server, authority=plane.certificate_authority)
    run = Kubectl(program=plane.binaries.kubectl, kubeconfig=config, home=plane.folder)
    return run(*args, f"--token={token.reveal()}", check=False)


def who(plane: ControlPlane, token: Token) -> Body:
    """Who the API server says that a token is; empty: nobody."""
    answer = ask(plane, token, "authentication.k8s.io/v1", "SelfSubjectReview")
    if answer.status_code == requests.codes.unauthorized:
        return {}
    assert answer.status_code == requests.codes.created, answer.text
    info: Body = answer.json()["status"]["userInfo"]
    return info


def ask(plane: ControlPlane, token: Token, group: str, kind: str, **fields: Body) -> requests.Response:
    """Post a review with nothing but a token."""
    return requests.post(
        f"{plane.server}/apis/{group}/{kind.lower()}s",
        json={"apiVersion": group, "kind": kind, **fields},
        headers={"Authorization": f"Bearer {token.reveal()}"},
        verify=str(plane.certificate_authority),
        timeout=NEVER,
    )


def may(world: World, token: Token, verb: str, resource: str) -> bool:
    """Ask the API server with the token itself what it opens."""
    kind, _, sub = resource.partition("/")
    asked = {"group": "tenure.dev", "resource": kind, "subresource": sub, "verb": verb, "name": "acme"}
    spec = {"resourceAttributes": {**asked, "namespace": world.api.namespace}}
    answer = ask(world.api.plane, token, "authorization.k8s.io/v1", "SelfSubjectAccessReview", spec=spec)
    assert answer.status_code == 201, answer.text
    return bool(answer.json()["status"]["allowed"])


def wait_nobody(plane: ControlPlane, token: Token) -> None:
    eventually(lambda: who(plane, token) == {}, within=30, describe="the API server answers 401")


def test_a_key_opens_the_api_server_under_the_name_of_its_membership(
    plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token = known_key(world, verifier)
    namespace = world.api.namespace
    info = who(plane, token)
    assert info["username"] == f"tenure:{namespace}:alice"
    assert info["uid"] == world.member("alice")["metadata"]["uid"]
    assert info["groups"] == [f"tenure:{namespace}", f"tenure:{namespace}:Member", "system:authenticated"]


def keys_of_everybody(world: World, verifier: VerifierProcess) -> dict[tuple[Role, Access], Token]:
    """A Full and a View key of a person of each role, once their groups are bound."""
    names = {(role, access): f"{name}-{access.value.lower()}" for name, role in PEOPLE.items() for access in Access}
    world.create(organization(), *(member(name, role.value) for name, role in PEOPLE.items()))
    world.create(*(api_key(name, name.partition("-")[0], access=access.value) for (_, access), name in names.items()))
    world.wait_reason("acme", "Bound", plural="organizations", within=20, type_="RolesBound")
    return {held: known(world, verifier, name) for held, name in names.items()}


def test_every_capability_is_as_the_table_says_for_full_and_for_view_keys(
    world: World, verifier: VerifierProcess
) -> None:
    for (role, access), token in keys_of_everybody(world, verifier).items():
        for capability in Capability:
            for level, verb in VERBS.items():
                allowed = may(world, token, verb, f"organizations/{capability.value}")
                wanted = level_of(role, access, capability) >= level
                assert allowed is wanted, (role, access, capability, level)


def test_a_view_key_writes_nothing_whatever_its_holders_role(world: World, verifier: VerifierProcess) -> None:
    keys = keys_of_everybody(world, verifier)
    for role in Role:
        opened = [(plural, verb) for plural, verb in WRITES if may(world, keys[role, Access.VIEW], verb, plural)]
        assert opened == [], role
        assert may(world, keys[role, Access.VIEW], "list", "memberships")
    assert all(may(world, keys[Role.OWNER, Access.FULL], verb, plural) for plural, verb in WRITES)
    namespace = world.api.namespace
    assert who(world.api.plane, keys[Role.OWNER, Access.VIEW])["groups"] == [
        f"tenure:{namespace}",
        f"tenure:{namespace}:Owner:View",
        "system:authenticated",
    ]
    here = f"--namespace={namespace}"
    refused = kubectl(world.api.plane, keys[Role.OWNER, Access.VIEW], "delete", "membership", "vic", here)
    assert "Forbidden" in refused.stderr


def test_a_narrowed_key_has_no_right_of_its_role_and_what_it_may_do_is_bound_by_hand(
    plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    world.create(organization(), member("olga", "Owner"), api_key("billing", "olga", capabilities=["billing"]))
    world.wait_reason("acme", "Bound", plural="organizations", within=20, type_="RolesBound")
    token, group = known_narrow(world, verifier, "billing"), f"tenure:{world.api.namespace}"
    assert who(plane, token)["groups"] == [group, "system:authenticated"]
    capabilities = [f"organizations/{capability.value}" for capability in Capability]
    plurals = [resource.plural for resource in KINDS]
    asked = [(plural, verb) for plural in (*capabilities, *plurals) for verb in ("get", "list", "update")]
    assert [one for one in (*asked, *WRITES) if may(world, token, one[1], one[0])] == []

    here = f"--namespace={world.api.namespace}"
    plane.kubectl("create", "role", "reads", "--verb=get", "--resource=organizations.tenure.dev/billing", here)
    plane.kubectl("create", "rolebinding", "reads", "--role=reads", f"--group={group}", here)
    eventually(lambda: may(world, token, "get", "organizations/billing"), within=30, describe="the binding has effect")


def test_a_role_change_ends_it_also_while_the_operator_is_stopped(
    plane: ControlPlane, world: World, verifier: VerifierProcess, operator: OperatorProcess
) -> None:
    token = known_key(world, verifier)
    assert who(plane, token)
    operator.stop()
    try:
        world.change_role("alice", "Viewer")
        wait_nobody(plane, token)
    finally:
        operator.start()


ENDS: dict[str, Body] = {
    "expired": {"expiresAt": "2026-01-01T00:00:00Z"},
    "suspended": {"suspended": True},
    "for-another-role": {"forRole": "Viewer", "revision": 2},
}


@pytest.fixture(scope="module")
def ended(plane: ControlPlane, operator: OperatorProcess, verifier: VerifierProcess) -> Iterator[dict[str, Token]]:
    """Give keys that were let in and don't work any more, all from now on: the API server remembers for ten seconds."""
    assert operator.running
    with fresh_world(plane) as world:
        world.create(organization(), member("alice"), *(api_key(name, "alice") for name in ENDS))
        tokens = {name: known(world, verifier, name) for name in ENDS}
        assert all(who(plane, token) for token in tokens.values())
        for name, end in ENDS.items():
            world.change_key(name, **end)
        yield tokens


@pytest.mark.parametrize("name", ENDS)
def test_a_key_that_does_not_work_gets_401(plane: ControlPlane, ended: dict[str, Token], name: str) -> None:
    wait_nobody(plane, ended[name])


def test_what_nobody_issued_gets_401(plane: ControlPlane, verifier: VerifierProcess) -> None:
    assert verifier.running
    nobodys = Token.mint(bytes(range(ENTROPY_BYTES)))
    assert who(plane, nobodys) == {}
    assert UNAUTHORIZED in kubectl(plane, nobodys, "auth", "whoami").stderr


def test_a_binding_of_one_organization_is_no_binding_of_another(
    plane: ControlPlane, world: World, other: World, verifier: VerifierProcess
) -> None:
    own, foreign = known_key(world, verifier), known_key(other, verifier)
    here = f"--namespace={world.api.namespace}"
    plane.kubectl("create", "role", "reads", "--verb=list", "--resource=organizations.tenure.dev", here)
    group = f"--group=tenure:{world.api.namespace}:Member"
    plane.kubectl("create", "rolebinding", "reads", "--role=reads", group, here)

    listed = kubectl(plane, own, "get", "organizations.tenure.dev", "--output=name", here)
    assert listed.stdout.strip() == "organization.tenure.dev/acme", listed.stderr
    refused = kubectl(plane, foreign, "get", "organizations.tenure.dev", here)
    assert "Forbidden" in refused.stderr
    assert f'"tenure:{other.api.namespace}:alice"' in refused.stderr


def test_a_service_accounts_group_follows_its_live_role(
    plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    known_key(world, verifier)
    world.create(service_account("ci"), api_key("pipeline", "ci"))
    token = known(world, verifier, "pipeline")
    assert f"tenure:{world.api.namespace}:Member" in who(plane, token)["groups"]
    world.change_role("ci", "Viewer")
    viewer = f"tenure:{world.api.namespace}:Viewer"
    eventually(lambda: viewer in who(plane, token)["groups"], within=30, describe="it is a Viewer's")


@pytest.mark.parametrize(
    ("audiences", "accepted"),
    [([], True), (["https://kubernetes.default.svc.cluster.local"], True), (["vault"], False)],
    ids=["B-75 none", "B-75 the API server's", "B-75 another's"],
)
def test_a_key_is_for_the_api_servers_own_audience_only(
    plane: ControlPlane, world: World, verifier: VerifierProcess, audiences: list[str], *, accepted: bool
) -> None:
    token = known_key(world, verifier)
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token.reveal(), "audiences": audiences},
    }
    answer = plane.kubectl("create", "--filename=-", "--output=json", input=json.dumps(review))
    assert (json.loads(answer.stdout)["status"].get("authenticated") is True) is accepted


def test_b_74_a_kubernetes_token_is_not_ours_and_in_no_log(
    plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    jwt = service_token(plane, world.api.namespace)
    assert verifier.review({"token": jwt}).json()["status"] == {"authenticated": False}
    assert verifier.authorize(jwt).status_code == 401
    assert verifier.verify(jwt[:1024]) == {"valid": False}
    assert jwt.rpartition(".")[2] not in verifier.log


def test_while_nothing_verifies_nobody_comes_in(plane: ControlPlane, world: World, verifier: VerifierProcess) -> None:
    token = known_key(world, verifier)
    verifier.stop()
    try:
        wait_nobody(plane, token)
    finally:
        verifier.start()
    wait_code(verifier, token, "Valid")
    eventually(lambda: who(plane, token) != {}, within=30, describe="it is let in again")
    assert token.reveal() not in verifier.log
