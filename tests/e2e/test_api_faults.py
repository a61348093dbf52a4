"""Trouble with the API server: each request fails once, and the end is the same as without."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER
from support.cluster.state import counts, state
from support.cluster.world import Body, World
from support.faults.exchange import DROP, Answer, Reply
from support.faults.lies import KINDS, TOO_MANY, OnceEach
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

END: Body = {
    "keys": {"ci": "Issued: Viewer 2, revision 1", "server": "Issued: Owner 1, revision 2"},
    "secrets": {"ci", "server"},
    "listed": {"alice": {"ci"}, "bob": {"server"}, "deploy": set()},
    "counts": counts(2),
    "record": {"from": "Member", "to": "Viewer", "laptop": "Deleted", "ci": "Revoked"},
    "events": {"Membership": 1, "Organization": 1},
}
TOUCHED = {("POST", "secrets"), ("DELETE", "secrets"), ("DELETE", "apikeys"), ("PATCH", "apikeys/status")} | {
    ("PATCH", "memberships/status"),
    ("GET", "memberships"),
    ("POST", "events"),
}
"""Verbs and resources that the story asks for."""


def lost(answer: Answer) -> Callable[[Proxy], OnceEach]:
    """Requests that never arrive, and are answered like this."""

    def install(proxy: Proxy) -> OnceEach:
        trouble = OnceEach(answer)
        proxy.on_request = trouble.instead
        return trouble

    return install


def answer_lost(proxy: Proxy) -> OnceEach:
    """Requests that are carried out, and hung up on."""
    trouble = OnceEach(DROP)
    proxy.on_response = trouble.afterwards
    return trouble


def answer_truncated(proxy: Proxy) -> OnceEach:
    """Requests that are carried out, and whose answers break off."""
    trouble = OnceEach(None)
    proxy.on_response = trouble.cut_short
    return trouble


@pytest.mark.parametrize(
    "install",
    [
        pytest.param(lost(TOO_MANY), id="429"),
        pytest.param(lost(Reply(500, b"<html>", {"Content-Type": "text/html"})), id="500"),
        pytest.param(lost(DROP), id="connection reset"),
        pytest.param(answer_lost, id="connection reset after the write"),
        pytest.param(answer_truncated, id="truncated answer"),
    ],
)
def test_every_request_may_fail_once(
    world: World, control_plane: ControlPlane, tmp_path: Path, install: Callable[[Proxy], OnceEach]
) -> None:
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        kubeconfig, log = proxy.kubeconfig(tmp_path / "proxy.kubeconfig"), tmp_path / "operator.log"
        with OperatorProcess(kubeconfig, log, "--namespace", world.api.namespace, "--resync", "1"):
            eventually(lambda: _watched(proxy) == {*KINDS}, describe="a watch of each kind")
            trouble = install(proxy)
            proxy.cut_watches()
            _live(world)
            eventually(lambda: _has_ended(world), within=30, every=0.2, describe="the end of the story")

    assert {(method, resource) for method, resource, *_ in trouble.troubled} >= TOUCHED
    assert all(world.verdict(token) == "Valid" for token in world.issue("ci", "server").values())


def _watched(proxy: Proxy) -> set[str]:
    return {exchange.request.resource for exchange in proxy.exchanges if exchange.request.is_watch and exchange.status}


def _live(world: World) -> None:
    """Issue, change a role, approve a key for the new one, replace a token, delete a key."""
    world.create(
        organization(),
        member("alice"),
        member("bob", "Owner"),
        service_account("deploy"),
        api_key("laptop", "alice"),
        api_key("ci", "alice", forRole="Member"),
        api_key("server", "bob"),
        api_key("robot", "deploy"),
    )
    tokens = world.issue("laptop", "ci", "server", "robot", within=60)
    world.change_role("alice", "Viewer")
    assert "Valid" not in {world.verdict(tokens["laptop"]), world.verdict(tokens["ci"])}
    world.wait_gone("apikeys", "laptop", within=60)
    world.wait_reason("ci", "RoleMismatch", within=60)
    world.change_key("ci", forRole="Viewer")
    world.change_key("server", revision=2)
    world.wait_new_token("server", tokens["server"], within=60)
    world.wait_new_token("ci", tokens["ci"], within=60)
    world.api.delete("apikeys", "robot")


def _has_ended(world: World) -> bool:
    assert state(world) == END
    return True
