"""A verifier starts only where it can know, says what is missing, uses no other right, and stops at once."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from support.api.api import Api
from support.cluster.verified import authorized, wait_code
from support.cluster.world import World
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.refused_start import USAGE, refused_start
from support.programs.rights import grant, refusal, rights_of, rule, title
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.resources import KINDS, Resource
from tenure.kube.right import Place, Right
from tenure.kube.rights import DEFINITIONS
from tenure.observability.metrics import Component
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.paths import CRDS
from tenure_dev.verifier import command

ALL = rights_of(Component.VERIFIER, Place.CLUSTER, Place.SERVED)
NEEDED = [(right, verb) for right in ALL if right not in DEFINITIONS for verb in right.verbs]


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> ControlPlane:
    """Give a control plane where for each needed right there is a user who lacks it alone."""
    bodies = [body for lacking, verb in [(None, ""), *NEEDED] for body in all_but(lacking, verb)]
    document = {"apiVersion": "v1", "kind": "List", "items": bodies}
    own_plane.kubectl("create", "--filename=-", input=json.dumps(document))
    return own_plane


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


def user(lacking: Right | None, verb: str) -> str:
    return f"without {title(lacking, verb)}" if lacking else "complete"


def all_but(lacking: Right | None, verb: str) -> list[dict[str, Any]]:
    """Grant everything but one verb of one right."""
    rules = [rule(right, but=verb if right is lacking else "") for right in ALL]
    return grant(user(lacking, verb), rules)


@pytest.mark.parametrize(("lacking", "verb"), [pytest.param(*one, id=title(*one)) for one in NEEDED])
def test_a_missing_right_is_named(plane: ControlPlane, port: int, tmp_path: Path, lacking: Right, verb: str) -> None:
    with Proxy(plane, as_user=user(lacking, verb)) as proxy:
        message = refused_start(proxy.kubeconfig(tmp_path / "config"), command=command(port))
    assert message == refusal(f"{title(lacking, verb)} in the whole cluster")


def test_it_works_with_exactly_these_rights_and_asks_for_nothing_else(
    plane: ControlPlane, port: int, tmp_path: Path
) -> None:
    plane.kubectl("create", "namespace", "exact")
    world = World(Api(plane, "exact"))
    with OperatorProcess(plane.kubeconfig, tmp_path / "operator.log", "--no-webhooks"):
        world.create(organization(), member("alice"), api_key("laptop", "alice"))
        token = world.issue("laptop", within=30)["laptop"]
    bearer = authorized(plane, "exact")
    with Proxy(plane, as_user=user(None, "")) as proxy:
        config = proxy.kubeconfig(tmp_path / "config")
        with VerifierProcess(config, tmp_path / "verifier.log", port=port) as verifier:
            assert verifier.verify(token, bearer=bearer)["member"] == "alice"
            world.change_role("alice", "Viewer")
            wait_code(verifier, token, "RoleChanged")
        exchanges = list(proxy.exchanges)
    assert [one.request.url for one in exchanges if one.status in {401, 403}] == []
    paths = {one.request.path.strip("/") for one in exchanges}
    kinds = {path.split("/")[3] for path in paths if path.startswith("apis/tenure.dev/")}
    assert kinds == {"organizations", "memberships", "apikeys"}
    assert [path for path in paths if "secrets" in path or path.startswith("api/")] == []


def proof_of(verifier: VerifierProcess, kind: type[Resource]) -> float:
    """The time up to which the data on a kind is proved to be complete."""
    _, text = verifier.ask("metrics")
    found = re.search(rf'^tenure_verifier_proof_timestamp_seconds{{kind="{kind.kind}"}} (\S+)$', text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_it_serves_the_given_namespaces_alone_with_rights_in_these_alone(
    plane: ControlPlane, port: int, tmp_path: Path
) -> None:
    names = ("served", "served-too", "another")
    worlds = [World(Api(plane, name)) for name in names]
    for name in names:
        plane.kubectl("create", "namespace", name)
    with OperatorProcess(plane.kubeconfig, tmp_path / "operator.log", "--no-webhooks"):
        for world in worlds:
            world.create(organization(), member("alice"), api_key("laptop", "alice"))
        first, second, other = [world.issue("laptop", within=30)["laptop"] for world in worlds]
    bodies = grant("namespaced", [rule(right) for right in rights_of(Component.VERIFIER, Place.CLUSTER)])
    for name in names[:2]:
        bodies += grant("namespaced", [rule(right) for right in rights_of(Component.VERIFIER, Place.SERVED)], name)
    plane.kubectl("create", "--filename=-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}))
    options = (*(f"--namespace={name}" for name in names[:2]), "--max-staleness=10")
    with Proxy(plane, as_user="namespaced") as proxy:
        config = proxy.kubeconfig(tmp_path / "config")
        with VerifierProcess(config, tmp_path / "verifier.log", *options, port=port) as verifier:
            assert [verifier.code(token) for token in (first, second)] == ["Valid", "Valid"]
            assert verifier.verify(other) == {"valid": False}
            worlds[1].change_role("alice", "Viewer")
            wait_code(verifier, second, "RoleChanged")
            assert verifier.code(first) == "Valid"
            # Watches of quiet namespaces prove themselves too.
            before = max(proof_of(verifier, kind) for kind in KINDS)
            eventually(lambda: min(proof_of(verifier, kind) for kind in KINDS) > before, within=60, describe="a proof")
        exchanges = list(proxy.exchanges)
    assert [one.request.url for one in exchanges if one.status in {401, 403}] == []
    assert {one.request.namespace for one in exchanges if one.request.resource in {kind.plural for kind in KINDS}} <= {
        *names[:2]
    }


REFUSED_OPTIONS = {
    "a staleness that no watch can prove": (("--max-staleness", "5"), "--max-staleness"),
    "no number": (("--max-staleness", "soon"), "--max-staleness"),
    "no port": (("--verifier-port", "70000"), "--verifier-port"),
    "an unknown option": (("--webhooks",), "--webhooks"),
}


@pytest.mark.parametrize(("options", "named"), REFUSED_OPTIONS.values(), ids=REFUSED_OPTIONS)
def test_an_option_that_makes_no_sense_is_refused(
    plane: ControlPlane, port: int, options: tuple[str, ...], named: str
) -> None:
    assert named in refused_start(plane.kubeconfig, *options, command=command(port), code=USAGE)


def test_an_unknown_setting_is_named(plane: ControlPlane, port: int) -> None:
    message = refused_start(plane.kubeconfig, command=command(port), env={"TENURE_MAX_STALENES": "20"})
    assert message.startswith("tenure: unknown variable TENURE_MAX_STALENES. ")
    assert "TENURE_MAX_STALENESS" in message


def test_a_port_that_is_taken_is_named(plane: ControlPlane, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        message = refused_start(plane.kubeconfig, command=command(port))
    assert message == f"tenure: --verifier-host and --verifier-port: 127.0.0.1:{port}: Address already in use"


def test_one_half_of_a_certificate_is_refused(plane: ControlPlane, port: int) -> None:
    message = refused_start(plane.kubeconfig, "--tls-cert-file=tls.crt", command=command(port))
    assert "belong together" in message


@pytest.mark.parametrize("written", [None, "no certificate"], ids=["no file", "no certificate"])
def test_a_certificate_that_is_none_is_refused(
    plane: ControlPlane, port: int, tmp_path: Path, written: str | None
) -> None:
    paths = [tmp_path / "tls.crt", tmp_path / "tls.key"]
    for path in paths:
        if written is not None:
            path.write_text(written)
    options = [f"--tls-cert-file={paths[0]}", f"--tls-key-file={paths[1]}"]
    message = refused_start(plane.kubeconfig, *options, command=command(port))
    assert message.startswith(f"tenure: --tls-cert-file {paths[0]}, --tls-key-file {paths[1]}: ")


def test_without_the_definitions_it_does_not_start(plane: ControlPlane, port: int) -> None:
    plane.kubectl("delete", "customresourcedefinition", "apikeys.tenure.dev")
    try:
        message = refused_start(plane.kubeconfig, command=command(port))
        assert "CustomResourceDefinition apikeys.tenure.dev is missing" in message
    finally:
        plane.apply_crds(CRDS)


def test_without_an_api_server_it_does_not_start(tmp_path: Path, plane: ControlPlane, port: int) -> None:
    config = tmp_path / "config"
    config.write_text(plane.kubeconfig.read_text().replace(plane.server, f"https://127.0.0.1:{free_ports(1)[0]}"))
    assert "doesn't answer" in refused_start(config, command=command(port))


def test_sigterm_ends_it_with_0_whoever_is_connected(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    with (
        VerifierProcess(plane.kubeconfig, tmp_path / "verifier.log", port=port) as verifier,
        requests.Session() as kept,
    ):
        assert kept.get(f"{verifier.url}/openapi.json", timeout=NEVER).ok
        with (
            socket.create_connection(("127.0.0.1", port)) as silent,
            socket.create_connection(("127.0.0.1", port)) as slow,
        ):
            slow.sendall(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert silent.fileno() >= 0
            assert kept.get(f"{verifier.url}/openapi.json", timeout=NEVER).ok
            verifier.stop(within=5.0)
    assert "stopped" in verifier.log
    assert "Traceback" not in verifier.log


def test_sigterm_ends_it_also_before_it_is_ready(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    verifier = VerifierProcess(plane.kubeconfig, tmp_path / "verifier.log", port=port)
    plane.freeze_etcd()
    try:
        verifier.start(ready=False)
        eventually(lambda: handles_signals(verifier.pid), within=30, describe="it takes signals")
        verifier.stop(within=5.0)
    finally:
        plane.thaw_etcd()
    assert not verifier.is_ready


def handles_signals(pid: int) -> bool:
    """Whether a process catches SIGTERM by now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (15 - 1) & 1)
