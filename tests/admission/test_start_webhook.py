"""A webhook process starts only where it can judge, says what is missing, and is ready only once it was seen to."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.api.client import denial, fresh_namespace
from support.cluster.authority import registered, secret, wait_judged
from support.cluster.world import World
from support.faults.proxy import Proxy
from support.objects import manifests
from support.programs.operator_process import OperatorProcess
from support.programs.probes import OK
from support.programs.refused_start import refused_start
from support.programs.rights import grant, refusal, rights_of, rule, title
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure.kube.right import Place, Right
from tenure.kube.rights import DEFINITIONS
from tenure.observability.metrics import Component
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.webhooks import NAMESPACE, command, configuration

IN_CLUSTER = rights_of(Component.WEBHOOK, Place.CLUSTER, Place.SERVED)
IN_SYSTEM = rights_of(Component.WEBHOOK, Place.SYSTEM)
NEEDED = [(right, verb) for right in (*IN_CLUSTER, *IN_SYSTEM) if right not in DEFINITIONS for verb in right.verbs]
ADMISSION_IS_OFF = "The webhooks are off: ValidatingWebhookConfiguration tenure isn't installed"
APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=installer", "--filename=-")


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a control plane with the webhooks registered; for each needed right there is a user who lacks it alone."""
    bodies = [body for lacking, verb in [(None, ""), *NEEDED] for body in all_but(lacking, verb)]
    document = {"apiVersion": "v1", "kind": "List", "items": bodies}
    with registered(own_plane):
        own_plane.kubectl("create", "--filename=-", input=json.dumps(document))
        yield own_plane


@pytest.fixture
def port(plane: ControlPlane) -> int:
    """Give a port of its own to which reviews come from now on."""
    (port,) = free_ports(1)
    register(plane, configuration(port))
    return port


def register(plane: ControlPlane, body: dict[str, Any]) -> None:
    plane.kubectl(*APPLY, input=json.dumps(body))


def user(lacking: Right | None, verb: str) -> str:
    return f"without {title(lacking, verb)}" if lacking else "complete"


def all_but(lacking: Right | None, verb: str) -> list[dict[str, Any]]:
    """Grant everything but one verb of one right."""

    def rules(rights: Sequence[Right]) -> list[dict[str, Any]]:
        return [rule(right, but=verb if right is lacking else "") for right in rights]

    cluster = grant(user(lacking, verb), rules(IN_CLUSTER))
    return [*cluster, *grant(user(lacking, verb), rules(IN_SYSTEM), NAMESPACE)]


@pytest.mark.parametrize(("lacking", "verb"), [pytest.param(*one, id=title(*one)) for one in NEEDED])
def test_a_missing_right_is_named(plane: ControlPlane, port: int, tmp_path: Path, lacking: Right, verb: str) -> None:
    with Proxy(plane, as_user=user(lacking, verb)) as proxy:
        message = refused_start(proxy.kubeconfig(tmp_path / "config"), command=command(port))
    where = f"in namespace {NAMESPACE}" if lacking in IN_SYSTEM else "in the whole cluster"
    assert message == refusal(f"{title(lacking, verb)} {where}")


def test_these_rights_suffice_for_every_judgement(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    with Proxy(plane, as_user=user(None, "")) as proxy:
        config = proxy.kubeconfig(tmp_path / "config")
        with WebhookProcess(config, tmp_path / "webhook.log", port), fresh_namespace(plane) as client:
            wait_judged(plane)
            client.create("organizations", manifests.organization(keys={"maxPerMember": 1}))
            for name in ("olga", "omar"):
                client.create("memberships", manifests.member(name, "Owner"))
            client.create("apikeys", manifests.api_key("laptop", "olga"))
            client.patch("memberships", "olga", {"spec": {"role": "Viewer"}})
            assert "is the only Owner" in denial(lambda: client.delete("memberships", "omar"))
            client.delete("apikeys", "laptop")
        refused = [exchange.request.url for exchange in proxy.exchanges if exchange.status == 403]
    assert refused == []
    assert (secret(plane) or {}).keys() >= {"ca.crt", "ca.key"}


@pytest.mark.parametrize("namespace", ["nowhere"])
def test_a_missing_namespace_is_named_and_the_option_too(plane: ControlPlane, port: int, namespace: str) -> None:
    elsewhere = [part if part != NAMESPACE else namespace for part in command(port)]
    message = refused_start(plane.kubeconfig, command=elsewhere)
    assert f"namespace {namespace} doesn't exist" in message
    assert f"kubectl create namespace {namespace}. Or set --system-namespace" in message


def test_a_configuration_with_other_paths_is_refused(plane: ControlPlane, port: int) -> None:
    body = configuration(port)
    body["webhooks"][1]["clientConfig"]["url"] = f"https://127.0.0.1:{port}/members"
    register(plane, body)
    message = refused_start(plane.kubeconfig, command=command(port))
    assert "doesn't match this version of Tenure (paths members, memberships)" in message
    assert "Apply manifests/webhooks.yaml" in message


def test_a_configuration_that_lacks_a_kind_is_refused(plane: ControlPlane, port: int) -> None:
    body = configuration(port)
    del body["webhooks"][2]
    plane.kubectl("delete", "validatingwebhookconfiguration", "tenure")
    register(plane, body)
    message = refused_start(plane.kubeconfig, command=command(port))
    assert "doesn't match this version of Tenure (paths apikeys)" in message


def test_without_the_configuration_the_webhook_does_not_start(plane: ControlPlane, port: int) -> None:
    plane.kubectl("delete", "validatingwebhookconfiguration", "tenure")
    message = refused_start(plane.kubeconfig, command=command(port))
    assert message.startswith(f"tenure: {ADMISSION_IS_OFF}")
    assert "Apply manifests/webhooks.yaml" in message


def test_without_the_configuration_the_operator_says_that_admission_is_off_and_works_on(
    plane: ControlPlane, port: int, tmp_path: Path
) -> None:
    del port
    plane.kubectl("delete", "validatingwebhookconfiguration", "tenure")
    with fresh_namespace(plane) as client:
        arguments = (f"--namespace={client.namespace}", "--webhook-port=0")
        with OperatorProcess(plane.kubeconfig, tmp_path / "operator.log", *arguments) as operator:
            assert ADMISSION_IS_OFF in operator.log
            world = World(client)
            world.create(manifests.organization(), manifests.member("mia"), manifests.api_key("laptop", "mia"))
            world.issue("laptop", within=30)


def test_with_the_configuration_the_operator_serves_both_halves(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    arguments = ("--webhook-host=127.0.0.1", f"--webhook-port={port}")
    with (
        OperatorProcess(plane.kubeconfig, tmp_path / "operator.log", *arguments) as operator,
        fresh_namespace(plane) as client,
    ):
        eventually(lambda: operator.ask("readyz") == OK, within=30, describe="it is ready to judge")
        wait_judged(plane)
        world = World(client)
        world.create(manifests.organization(), manifests.member("olga", "Owner"), manifests.api_key("laptop", "olga"))
        world.issue("laptop", within=30)
        assert "is the only Owner" in denial(lambda: world.change_role("olga", "Viewer"))
        assert "webhooks are off" not in operator.log
