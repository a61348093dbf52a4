"""The API server is away, in each of several ways: one probe at a time, few log lines, and then each key once."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER
from support.cluster.world import World
from support.faults.exchange import DROP, Answer, Exchange, Reply, Request
from support.faults.proxy import OnRequest, Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.soak import size
from tenure.kube.breaker import FAILURES
from tenure_dev.controlplane import ControlPlane

KEYS = size(short=40, soak=5000)
MEMBERS = size(short=1, soak=50)
PROBES = size(short=2, soak=20)
THROTTLED = Reply(429, b"Too many requests, please try again later.", {"Retry-After": "2"})


async def _hang(request: Request) -> Answer:
    del request
    await asyncio.Event().wait()
    return DROP


def _answered(answer: Answer) -> OnRequest:
    async def hook(request: Request) -> Answer:
        del request
        return answer

    return hook


WAYS = {
    "refuses": _answered(DROP),
    "429": _answered(THROTTLED),
    "503": _answered(Reply.failure(503, "ServiceUnavailable")),
}
LONG_WAYS = {"hangs": _hang}
"""It takes half a minute until a request that hangs is given up."""


@pytest.mark.soak
def test_work_waits_for_one_probe_and_then_each_key_is_issued_once(
    world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    members = [f"member-{number}" for number in range(MEMBERS)]
    world.create(organization(keys={"maxPerMember": 1000}), *map(member, members))
    with Proxy(control_plane, as_user=CONTROLLER) as proxy:
        kubeconfig, log = proxy.kubeconfig(tmp_path / "proxy.kubeconfig"), tmp_path / "operator.log"
        with OperatorProcess(kubeconfig, log, "--namespace", world.api.namespace, "--no-webhooks") as operator:
            for way, hook in size(short=WAYS, soak=WAYS | LONG_WAYS).items():
                lines = len(operator.log.splitlines())
                proxy.reset()
                proxy.on_request = hook
                proxy.cut_watches()
                eventually(lambda: _seconds_away(operator) > 0, within=60, describe=f"{way}: it is noticed")
                eventually(lambda: _probes_of(proxy) >= 1, within=30, describe=f"{way}: a probe")
                names = [f"{way}-{number}" for number in range(KEYS)]
                world.create(*(api_key(name, members[number % MEMBERS]) for number, name in enumerate(names)))
                _check_only_probes(proxy, operator, way)
                assert len(operator.log.splitlines()) - lines <= 10, operator.log
                proxy.reset()
                patience = 60 + KEYS / 20
                eventually(_all_issued(world, names), within=patience, every=0.5, describe=f"{way}: all are issued")
                created = [one.request.json["metadata"]["name"] for one in proxy.writes("secrets") if one.status == 201]
                assert sorted(created) == sorted(names), "each once"
                assert _seconds_away(operator) == 0


def _seconds_away(operator: OperatorProcess) -> float:
    _, text = operator.ask("metrics")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return float(values["tenure_api_server_away_seconds"])


def _is_probe(exchange: Exchange) -> bool:
    return exchange.request.is_list and exchange.request.query.get("limit") == "1"


def _probes_of(proxy: Proxy) -> int:
    return sum(map(_is_probe, list(proxy.exchanges)))


def _check_only_probes(proxy: Proxy, operator: OperatorProcess, way: str) -> None:
    """Check that, while it is away, nothing is sent but one probe at a time."""
    before = len(proxy.exchanges)
    eventually(
        lambda: sum(map(_is_probe, proxy.exchanges[before:])) >= PROBES, within=10 * PROBES, describe=f"{way}: probes"
    )
    others = [one for one in proxy.exchanges[before:] if not _is_probe(one)]
    assert others == [], "all else waits"
    assert before <= 6 * FAILURES, f"{way}: few requests were lost before"
    assert _seconds_away(operator) > 0


def _all_issued(world: World, names: list[str]) -> Callable[[], bool]:
    def issued() -> bool:
        ready = {key["metadata"]["name"] for key in world.api.list("apikeys") if key.get("status", {}).get("hash")}
        return ready >= set(names)

    return issued
