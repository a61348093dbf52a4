"""The rights that the operator asks for are checked one by one at its start, and suffice for all that it does."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.api.client import fresh_namespace
from support.api.kubectl import NamespacedKubectl
from support.cluster.world import World
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization, secret
from support.programs.operator_process import OperatorProcess
from support.programs.pod import Pod
from support.programs.refused_start import refused_start
from support.programs.rights import refusal, rights_of
from tenure.domain.resources import KINDS
from tenure.kube.right import ALWAYS, Place, Right
from tenure.observability.metrics import Component
from tenure_dev.controlplane import ControlPlane
from tenure_dev.operator import COMMAND

Body = dict[str, Any]
Triple = tuple[str, str, str]
"""Group, resource and verb."""

RIGHTS = rights_of(Component.CONTROLLER, Place.SERVED, when=(ALWAYS,))

READS_DEFINITIONS = {
    "apiGroups": ["apiextensions.k8s.io"],
    "resources": ["customresourcedefinitions"],
    "resourceNames": [f"{resource.plural}.tenure.dev" for resource in KINDS],
    "verbs": ["get"],
}
RBAC = "rbac.authorization.k8s.io"
VIRTUAL = {("tenure.dev", "apikeys", "revoke")}
"""Rights that no request uses: the API server asks for them before it sends the operator's deletions to admission."""


def triples(rights: Iterable[Right]) -> list[Triple]:
    return [(right.group, right.label, verb) for right in rights for verb in right.verbs]


def title(triple: Triple) -> str:
    """A right as `kubectl auth can-i` takes it, such as `patch apikeys.tenure.dev/status`."""
    group, label, verb = triple
    resource, slash, sub = label.partition("/")
    return f"{verb} {resource}{'.' * bool(group)}{group}{slash}{sub}"


def user_without(right: Right) -> str:
    return f"without-{right.label}"


def all_but(*missing: Right) -> list[Body]:
    """Return the rules for all rights but these."""
    return [right.to_rule() for right in RIGHTS if right not in missing]


def user(name: str) -> Body:
    return {"apiGroup": RBAC, "kind": "User", "name": name}


def grant(kind: str, rules: list[Body], *subjects: Body) -> list[Body]:
    """Return a Role or ClusterRole of a new name, and the binding that gives it to the subjects."""
    name = f"tenure-test-{uuid4().hex[:10]}"
    role = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name}, "rules": rules}
    binding = {"apiVersion": f"{RBAC}/v1", "kind": f"{kind}Binding", "metadata": {"name": name}}
    return [role, {**binding, "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name}, "subjects": list(subjects)}]


@pytest.fixture(scope="module")
def place(control_plane: ControlPlane) -> Iterator[NamespacedKubectl]:
    """Give a namespace; for each right there is a user who holds all the others in it, and `complete` holds all."""
    roles = [body for right in RIGHTS for body in grant("Role", all_but(right), user(user_without(right)))]
    complete = grant("Role", all_but(), user("complete"), user("blind"))
    reads = grant(
        "ClusterRole", [READS_DEFINITIONS], user("complete"), *(user(user_without(right)) for right in RIGHTS)
    )
    with fresh_namespace(control_plane) as client:
        kubectl = NamespacedKubectl(control_plane.kubectl, client.namespace)
        kubectl.apply(*roles, *complete, *reads)
        yield kubectl
        kubectl("delete", "clusterrole,clusterrolebinding", reads[0]["metadata"]["name"])


@pytest.mark.parametrize("right", [pytest.param(right, id=right.label) for right in RIGHTS])
def test_a_missing_right_is_named(
    control_plane: ControlPlane, place: NamespacedKubectl, tmp_path: Path, right: Right
) -> None:
    missing = [f"{title(triple)} in namespace {place.namespace}" for triple in triples([right])]
    with Proxy(control_plane, as_user=user_without(right)) as proxy:
        message = refused_start(proxy.kubeconfig(tmp_path / "config"), f"--namespace={place.namespace}")
    assert message == refusal(*missing)


def test_the_right_to_read_the_definitions_is_named(
    control_plane: ControlPlane, place: NamespacedKubectl, tmp_path: Path
) -> None:
    with Proxy(control_plane, as_user="blind") as proxy:
        message = refused_start(proxy.kubeconfig(tmp_path / "config"), f"--namespace={place.namespace}")
    named = "get customresourcedefinitions.apiextensions.k8s.io named organizations.tenure.dev"
    assert message == refusal(f"{named} in the whole cluster")


def test_rights_in_one_namespace_are_not_rights_in_all(
    control_plane: ControlPlane, place: NamespacedKubectl, tmp_path: Path
) -> None:
    del place
    with Proxy(control_plane, as_user="complete") as proxy:
        message = refused_start(proxy.kubeconfig(tmp_path / "config"))
    assert [each for each in triples(RIGHTS) if f"{title(each)} in the whole cluster" not in message] == []


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("scope", ["one namespace", "all namespaces"])
def test_these_rights_suffice_and_each_is_used(
    world: World, control_plane: ControlPlane, kubectl: NamespacedKubectl, tmp_path: Path, scope: str
) -> None:
    identity, everywhere = f"tenure-{uuid4().hex[:10]}", scope == "all namespaces"
    bodies = grant("ClusterRole" if everywhere else "Role", all_but(), user(identity))
    bodies += grant("ClusterRole", [READS_DEFINITIONS], user(identity))
    kubectl.apply(*bodies)
    args = ["--no-webhooks", *([] if everywhere else [f"--namespace={world.api.namespace}"])]
    with Proxy(control_plane, as_user=identity) as proxy:
        meet_a_conflict(proxy, world.api.namespace)
        with OperatorProcess(proxy.kubeconfig(tmp_path / "config"), tmp_path / "operator.log", *args):
            live(world)
        exchanges = [
            exchange for exchange in proxy.exchanges if exchange.request.namespace in {"", world.api.namespace}
        ]
    for body in bodies:
        if body["kind"].startswith("Cluster"):
            kubectl("delete", body["kind"], body["metadata"]["name"])

    used = {verb_of(exchange.request) for exchange in exchanges}
    assert set(triples(RIGHTS)) - used == VIRTUAL
    forbidden = [exchange.request.url for exchange in exchanges if exchange.status == 403]
    assert forbidden == []


def test_it_runs_in_a_cluster_as_a_service_account(
    world: World, control_plane: ControlPlane, kubectl: NamespacedKubectl, tmp_path: Path
) -> None:
    account = {"kind": "ServiceAccount", "name": "tenure", "namespace": world.api.namespace}
    kubectl("create", "serviceaccount", "tenure")
    reads = grant("ClusterRole", [READS_DEFINITIONS], account)
    kubectl.apply(*grant("Role", all_but(), account), *reads)
    token = kubectl("create", "token", "tenure").stdout.strip()
    pod = Pod(tmp_path / "pod", control_plane.server, token, control_plane.certificate_authority.read_bytes())

    with OperatorProcess(
        control_plane.kubeconfig,
        tmp_path / "operator.log",
        f"--namespace={world.api.namespace}",
        command=pod.command(COMMAND),
        env=pod.env,
    ):
        world.create(organization(), member("alice"), api_key("laptop", "alice"))
        world.issue("laptop")
    kubectl("delete", "clusterrole,clusterrolebinding", reads[0]["metadata"]["name"])


def live(world: World) -> None:
    """Have the operator do all that it ever does: issue, meet a foreign Secret, reissue in place, end keys, say so."""
    world.create(organization(), member("alice"), secret("conflict"))
    world.create(api_key("laptop", "alice"), api_key("conflict", "alice"))
    issued = world.issue("laptop")
    world.wait_reason("conflict", "SecretConflict")
    world.change_key("laptop", revision=2)
    world.wait_new_token("laptop", issued["laptop"])
    world.change_role("alice", "Viewer")
    world.wait_gone("apikeys", "laptop")
    world.create(api_key("last", "alice"))
    world.issue("last")
    world.api.delete("organizations", "acme")
    world.wait_reason("last", "OrganizationGone")


def meet_a_conflict(proxy: Proxy, namespace: str) -> None:
    """Answer the first write of a key's status in a namespace as if the key had changed."""
    met = False

    async def hook(request: Request) -> Answer:
        nonlocal met
        if met or request.resource != "apikeys/status" or request.namespace != namespace:
            return None
        met = True
        return Reply.failure(409, "Conflict")

    proxy.on_request = hook


def verb_of(request: Request) -> Triple:
    """Return group, resource and verb of a request, as RBAC judges it."""
    verbs = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
    group = request.path.split("/")[2] if request.path.startswith("/apis/") else ""
    reading = "watch" if request.is_watch else "list" if request.is_list else verbs[request.method]
    return group, request.resource, reading
