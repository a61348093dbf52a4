"""A controller whose watch is dead says so, and is started again; one whose API server is away is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER
from support.cluster.world import World
from support.faults.exchange import DROP, Answer, Request
from support.faults.proxy import Proxy
from support.objects import manifests
from support.programs.observed import value
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

RESYNC = 2
UNREADY_WITHIN, DEAD_WITHIN = 10, 30
"""What `--resync 2` makes of the limits, in seconds: as little as they can be."""

SLACK = 15


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        yield proxy


@pytest.fixture
def operator(proxy: Proxy, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Give an operator behind a proxy that has told all there is."""
    arguments = ("--no-webhooks", "--namespace", namespace, "--resync", str(RESYNC))
    with OperatorProcess(proxy.kubeconfig(tmp_path / "config"), tmp_path / "operator.log", *arguments) as operator:
        yield operator


async def silence(request: Request, line: bytes) -> bytes | None:
    """Let nothing of a watch through, bookmarks neither."""
    del line
    return None if request.is_watch else b""


async def nobody_is_there(_: Request) -> Answer:
    return DROP


def lag(operator: OperatorProcess) -> float:
    """Of all kinds together."""
    return value(operator, "tenure_watch_lag_seconds")


def test_a_watch_that_tells_nothing_makes_it_unready_then_dead_and_alive_once_it_tells_again(
    world: World, proxy: Proxy, operator: OperatorProcess
) -> None:
    world.create(manifests.organization(), manifests.member("alice"), manifests.api_key("laptop", "alice"))
    world.issue("laptop", within=30)
    eventually(lambda: lag(operator) == 0, within=30, describe="the watches have told all")
    assert operator.ask("readyz") == (200, "ok\n")

    proxy.on_watch_line = silence
    # Told by no watch, only by the next list; the key works all the same.
    world.create(manifests.api_key("phone", "alice"))
    world.issue("phone", within=RESYNC + SLACK)
    within = RESYNC / 2 + UNREADY_WITHIN + SLACK
    eventually(lambda: operator.ask("readyz")[0] == 503, within=within, describe="it is unready")
    assert "hasn't told what has been known for" in operator.ask("readyz")[1]
    assert value(operator, "tenure_ready", component="controller") == 0
    assert lag(operator) >= UNREADY_WITHIN
    assert operator.ask("livez") == (200, "ok\n")
    eventually(
        lambda: operator.ask("livez")[0] == 503, within=DEAD_WITHIN + RESYNC + SLACK, describe="a restart would help"
    )

    proxy.on_watch_line = None
    proxy.cut_watches()
    eventually(lambda: operator.ask("readyz") == (200, "ok\n"), within=30, describe="it is ready again")
    assert operator.ask("livez") == (200, "ok\n")
    eventually(lambda: lag(operator) == 0, within=30, describe="the watch has told everything")


def test_in_a_quiet_cluster_it_stays_ready(world: World, operator: OperatorProcess) -> None:
    world.create(manifests.organization(), manifests.member("alice"))
    world.wait_reason("alice", "Active", plural="memberships", within=30)
    before = value(operator, "tenure_list_timestamp_seconds", kind="Membership")

    def listed_for_long() -> bool:
        return value(operator, "tenure_list_timestamp_seconds", kind="Membership") > before + UNREADY_WITHIN

    eventually(listed_for_long, within=UNREADY_WITHIN + RESYNC + SLACK, describe="it was listed again and again")
    assert operator.ask("readyz") == (200, "ok\n")
    assert operator.ask("livez") == (200, "ok\n")


def test_while_the_api_server_is_away_it_is_unready_and_alive(
    world: World, proxy: Proxy, operator: OperatorProcess
) -> None:
    world.create(manifests.organization(), manifests.member("alice"))
    world.wait_reason("alice", "Active", plural="memberships", within=30)
    proxy.on_request = nobody_is_there
    proxy.cut_watches()
    eventually(
        lambda: "no list succeeded" in operator.ask("readyz")[1],
        within=2 * RESYNC + 10 + SLACK,
        describe="it is unready",
    )
    assert operator.ask("livez") == (200, "ok\n")
    assert value(operator, "tenure_api_requests_total", code="0") > 0
    proxy.on_request = None
    eventually(lambda: operator.ask("readyz") == (200, "ok\n"), within=RESYNC + SLACK, describe="it is ready again")
