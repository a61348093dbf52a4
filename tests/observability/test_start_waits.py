"""A start meets an API server that is away: a process with a health port waits, and says so, until it is there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.cluster.authority import registered
from support.cluster.identity import CONTROLLER
from support.cluster.world import World
from support.faults.exchange import DROP, Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import organization
from support.programs.console_server import ConsoleServer
from support.programs.mail_process import MailProcess
from support.programs.observed import value
from support.programs.operator_process import OperatorProcess
from support.programs.refused_start import refused_start
from support.programs.verifier_process import VerifierProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure.observability.metrics import Component
from tenure_dev.controlplane import ControlPlane

Make = Callable[[Path, Path], OperatorProcess]


@pytest.fixture(scope="module")
def processes(own_plane: ControlPlane) -> Iterator[dict[Component, Make]]:
    """Give what makes each component's process from a kubeconfig and a file for its log."""
    with registered(own_plane) as port:
        yield {
            Component.CONTROLLER: lambda config, log: OperatorProcess(config, log, "--no-webhooks"),
            Component.WEBHOOK: lambda config, log: WebhookProcess(config, log, port),
            Component.VERIFIER: VerifierProcess,
            Component.MAIL: MailProcess,
            Component.CONSOLE: ConsoleServer.passing_through,
        }


@pytest.fixture
def proxy(own_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(own_plane) as proxy:
        proxy.on_request = nobody_is_there
        yield proxy


async def nobody_is_there(_: Request) -> Answer:
    return DROP


@pytest.mark.parametrize("component", Component)
def test_it_waits_unready_and_alive_and_then_starts(
    processes: dict[Component, Make], proxy: Proxy, tmp_path: Path, component: Component
) -> None:
    process = processes[component](proxy.kubeconfig(tmp_path / "config"), tmp_path / "log")
    process.start(ready=False)
    try:
        trouble = f"the API server at {proxy.url} doesn't answer: "
        eventually(lambda: trouble in process.ask("readyz")[1], within=30, describe="it says what it waits for")
        status, said = process.ask("readyz")
        assert status == 503
        assert said.startswith(f"starting: {trouble}")
        assert process.ask("livez") == process.ask("healthz") == (200, "ok\n")
        assert value(process, "tenure_ready", component=component) == 0
        assert value(process, "tenure_api_requests_total", code="0") > 0
        assert f"Waiting to start: {trouble}" in process.log

        proxy.on_request = None
        process.wait_ready()
        # Mail, which always elects a leader, says who leads, too.
        eventually(lambda: process.ask("readyz")[0] == 200, within=30, describe="it is ready")
        assert process.ask("readyz")[1].startswith("ok\n")
        assert value(process, "tenure_ready", component=component) == 1
        process.stop()
    finally:
        if process.running:
            process.kill()


def test_it_stops_while_it_waits(processes: dict[Component, Make], proxy: Proxy, tmp_path: Path) -> None:
    process = processes[Component.CONTROLLER](proxy.kubeconfig(tmp_path / "config"), tmp_path / "log")
    process.start(ready=False)
    eventually(lambda: "Waiting to start" in process.log, within=30, describe="it waits")
    process.stop(within=2)


def test_a_refusal_counts_the_second_time_after_a_wait(
    processes: dict[Component, Make], proxy: Proxy, tmp_path: Path
) -> None:
    async def refuse(_: Request) -> Answer:
        return Reply.failure(403, "Forbidden")

    process = processes[Component.CONTROLLER](proxy.kubeconfig(tmp_path / "config"), tmp_path / "log")
    process.start(ready=False)
    eventually(lambda: "Waiting to start: the API server" in process.log, within=30, describe="it waits")
    proxy.on_request = refuse
    eventually(lambda: not process.running, within=30, describe="it has ended")
    assert process.exit_code == 1
    *_, before, last = process.log.splitlines()
    assert "Waiting to start: missing rights: get customresourcedefinitions" in before
    assert last.startswith("tenure: missing rights: get customresourcedefinitions")


def test_nothing_is_reconciled_before_it_knows_whether_it_serves_webhooks(
    control_plane: ControlPlane, world: World, tmp_path: Path
) -> None:
    async def hide_the_webhooks(request: Request) -> Answer:
        return DROP if request.resource == "validatingwebhookconfigurations" else None

    world.create(organization())
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        proxy.on_request = hide_the_webhooks
        served = ("--namespace", world.api.namespace)
        process = OperatorProcess(proxy.kubeconfig(tmp_path / "config"), tmp_path / "log", *served)
        process.start(ready=False)
        eventually(lambda: "Waiting to start: GET " in process.log, within=30, describe="it waits")
        assert not [exchange for exchange in proxy.exchanges if exchange.request.is_write]
        proxy.on_request = None
        process.wait_ready()
        world.wait_reason("acme", "Active", plural="organizations")
        process.stop()


def test_without_a_health_port_it_refuses_at_once(proxy: Proxy, tmp_path: Path) -> None:
    assert f"the API server at {proxy.url} doesn't answer" in refused_start(proxy.kubeconfig(tmp_path / "config"))
