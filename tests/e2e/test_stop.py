"""SIGTERM: the write in hand is finished, the exit code is 0 within five seconds, and nothing half-done remains."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import World
from support.faults.exchange import Answer, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

MOMENTS = {
    "checking the definitions": "customresourcedefinitions",
    "checking the rights": "selfsubjectaccessreviews",
    "listing": "apikeys",
}


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        yield proxy


@pytest.fixture
def proxied_operator(proxy: Proxy, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    config = proxy.kubeconfig(tmp_path / "proxy.kubeconfig")
    operator = OperatorProcess(config, tmp_path / "operator.log", "--namespace", namespace)
    yield operator
    if operator.running:
        operator.kill()


def test_it_stops_in_the_middle_of_a_burst_and_leaves_nothing_half_done(
    world: World, stopped_operator: OperatorProcess
) -> None:
    names = [f"key-{number}" for number in range(300)]
    world.create(organization(keys={"maxPerMember": 300}), member("alice"), *(api_key(name, "alice") for name in names))
    stopped_operator.start()
    eventually(lambda: len(world.api.list("secrets")) > 20, every=0.01, describe="the burst has begun")

    stopped_operator.stop(within=5)

    early = {body["metadata"]["name"]: body["metadata"]["uid"] for body in world.api.list("secrets")}
    assert 20 < len(early) < len(names), "the burst was over, or had not begun"
    tokens = {name: world.token(name) for name in early}
    stopped_operator.start()
    issued = world.issue(*names, within=60)
    assert {name: issued[name] for name in early} == tokens
    assert {name: world.key(name)["status"]["secretUID"] for name in early} == early
    assert len(world.api.list("secrets")) == len(names)


@pytest.mark.parametrize("resource", MOMENTS.values(), ids=MOMENTS)
def test_it_stops_while_it_starts(proxied_operator: OperatorProcess, proxy: Proxy, resource: str) -> None:
    asked: list[Request] = []

    async def stop(request: Request) -> Answer:
        if resource in {request.resource, request.path.split("/")[-2]} and not asked:
            asked.append(request)
            os.kill(proxied_operator.pid, signal.SIGTERM)
        return None

    proxy.on_request = stop
    proxied_operator.start(ready=False)

    eventually(lambda: asked, within=30, describe="the operator has come so far")
    eventually(lambda: not proxied_operator.running, within=5, describe="it ends within five seconds")
    assert proxied_operator.exit_code == 0, proxied_operator.log


def test_it_stops_as_soon_as_it_is_ready(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    operator = OperatorProcess(
        config_of(control_plane, CONTROLLER), tmp_path / "operator.log", "--namespace", namespace
    )
    operator.start(ready=False)
    eventually(lambda: operator.is_ready, within=30, every=0.001, describe="the operator is ready")

    operator.stop(within=5)

    assert "Traceback" not in operator.log


@pytest.mark.parametrize("kind", [OperatorProcess, VerifierProcess])
def test_it_writes_no_file_with_the_key_of_the_kubeconfig(
    control_plane: ControlPlane, tmp_path: Path, kind: type[OperatorProcess | VerifierProcess]
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    process = kind(control_plane.kubeconfig, tmp_path / "log", env={"TMPDIR": str(files)})
    assert "client-key-data" in control_plane.kubeconfig.read_text()
    process.start()
    assert list(files.iterdir()) == []
    process.stop()
    assert list(files.iterdir()) == []
