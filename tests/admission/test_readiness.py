"""A webhook process is ready once it was seen to refuse what must be refused, and it ends when it is told to."""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.cluster.authority import registered
from support.faults.exchange import Answer, Request
from support.faults.proxy import Proxy
from support.programs.altered import altered
from support.programs.probes import OK, probe
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.webhooks import command

UNTESTED = (503, "the self-test hasn't passed yet\n")
KINDS = ("organizations", "memberships", "apikeys")


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> Iterator[ControlPlane]:
    with registered(own_plane):
        yield own_plane


@pytest.fixture
def port() -> int:
    """Give a port that no other process shares, since the self-test would ask that one too."""
    return free_ports(1)[0]


HELD_TEST = """
import asyncio
from pathlib import Path
from tenure.admission import process as webhook

find_leak = webhook.find_leak

async def find_leak_later(*arguments, **options):
    while not Path({file!r}).exists():
        await asyncio.sleep(0.05)
    return await find_leak(*arguments, **options)

webhook.find_leak = find_leak_later
"""


def test_it_is_alive_at_once_and_ready_after_the_self_test(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    file = tmp_path / "go on"
    change = HELD_TEST.format(file=str(file))
    process = WebhookProcess(plane.kubeconfig, tmp_path / "log", port, command=altered(port, change))
    with process.start(ready=False):
        eventually(lambda: process.ask("livez") == OK, within=30, describe="it is alive")
        eventually(lambda: process.ask("readyz") == UNTESTED, within=30, describe="it says why it isn't ready")
        file.touch()
        eventually(lambda: process.ask("readyz") == OK, within=30, describe="it is ready")
        assert process.ask("livez") == OK
        assert "the self-test failed" not in process.log


LEAKS: Mapping[str, tuple[str, str]] = {
    "lets everything in": (
        """
from tenure.admission import dispatch as judge
from tenure.domain.admission.decision import Decision
from tenure.domain.admission.verdict import Judgement

decide = judge.decide

def let_in(evidence):
    return Decision(Judgement()) if evidence.change.subject.plural == {plural!r} else decide(evidence)

judge.decide = let_in
""",
        "/{plural} allowed a request that must be rejected",
    ),
    "isn't served": (
        """
from tenure.admission import process as webhook

class Listener(webhook.Listener):
    def __init__(self, address, context, kinds, judge, **others):
        kinds = dict(kinds)
        del kinds[{plural!r}]
        super().__init__(address, context, kinds, judge, **others)

webhook.Listener = Listener
""",
        "/{plural} answers 404",
    ),
    "fails": (
        """
from tenure.admission import dispatch as judge

decide = judge.decide

def fail(evidence):
    if evidence.change.subject.plural == {plural!r}:
        raise RuntimeError("broken")
    return decide(evidence)

judge.decide = fail
""",
        "/{plural} rejected a request for another reason: Rejected: unexpected error in Tenure",
    ),
}


@pytest.mark.parametrize("plural", KINDS)
@pytest.mark.parametrize(("change", "says"), [pytest.param(*row, id=name) for name, row in LEAKS.items()])
def test_a_path_that_does_not_judge_keeps_it_from_being_ready(
    plane: ControlPlane, port: int, tmp_path: Path, *, change: str, says: str, plural: str
) -> None:
    flaw = says.format(plural=plural)
    altered_command = altered(port, change.format(plural=plural))
    process = WebhookProcess(plane.kubeconfig, tmp_path / "log", port, command=altered_command)
    with process.start(ready=False):
        eventually(
            lambda: f"Not ready, because the self-test failed: {flaw}" in process.log, within=30, describe="it says why"
        )
        code, text = process.ask("readyz")
        assert code == 503
        assert flaw in text
        assert process.ask("livez") == OK
        assert not process.is_ready


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "0.0.0.0", ""])
def test_it_becomes_ready_whatever_address_it_listens_on(
    plane: ControlPlane, port: int, tmp_path: Path, host: str
) -> None:
    arguments = [host if part == "127.0.0.1" else part for part in command(port)]
    reached = {"0.0.0.0": ["127.0.0.1"], "": ["127.0.0.1", "::1"]}.get(host, [host])
    with WebhookProcess(plane.kubeconfig, tmp_path / "log", port, command=arguments):
        for address in reached:
            assert probe(port, "memberships", address)[0] == 405


def test_sigterm_ends_it_within_five_seconds_while_it_serves(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    process = WebhookProcess(plane.kubeconfig, tmp_path / "log", port).start()
    process.stop(within=5)
    assert "Traceback" not in process.log


MOMENTS = {
    "checking the definitions": "customresourcedefinitions",
    "checking the rights": "selfsubjectaccessreviews",
    "trying a lease": "leases",
    "reading the authority": "secrets",
    "reading the configuration": "validatingwebhookconfigurations",
}


@pytest.mark.parametrize("resource", MOMENTS.values(), ids=MOMENTS)
def test_sigterm_ends_it_while_it_starts_and_the_api_server_hangs(
    plane: ControlPlane, port: int, tmp_path: Path, resource: str
) -> None:
    asked: list[Request] = []

    async def hang(request: Request) -> Answer:
        if resource == request.resource and not asked:
            asked.append(request)
            os.kill(process.pid, signal.SIGTERM)
        while asked:  # noqa: ASYNC110 - the test ends it from another thread
            await asyncio.sleep(0.1)
        return None

    with Proxy(plane) as proxy:
        process = WebhookProcess(proxy.kubeconfig(tmp_path / "config"), tmp_path / "log", port)
        proxy.on_request = hang
        process.start(ready=False)
        eventually(lambda: asked, within=30, describe="it has come so far")
        eventually(lambda: not process.running, within=5, describe="it ends within five seconds")
        assert process.exit_code == 0, process.log
        asked.clear()
