"""A webhook process that can't ask the API server is unready until it can, so that others are asked in its place."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.api.api import ApiRefusedError
from support.api.client import DRY_RUN, Client, fresh_namespace, refusal
from support.cluster.authority import registered, wait_judged
from support.faults.exchange import DROP, Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects import manifests
from support.programs.altered import altered
from support.programs.probes import OK
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

PATIENCE_SECONDS, LOOK_SECONDS = 2.0, 0.2
SOONER = f"""
from tenure.admission import connectivity as reach

reach.PATIENCE_SECONDS, reach.LOOK_SECONDS = {PATIENCE_SECONDS}, {LOOK_SECONDS}
"""
WHY = "so this webhook can't check changes"


@dataclass(frozen=True)
class CutOff:
    """A webhook process that asks through a proxy; the API server reaches it all the same."""

    proxy: Proxy
    process: WebhookProcess
    client: Client

    @property
    def lookups(self) -> int:
        """How often it asked, by itself, whether the API server answers."""
        return sum(one.request.path == "/version" for one in self.proxy.exchanges)

    def change(self) -> ApiRefusedError | None:
        """Try a change that nothing speaks against, and return how it is refused; None: it passes."""
        return refusal(lambda: self.client.create("organizations", manifests.organization(), **DRY_RUN))


@pytest.fixture(scope="module")
def shared(own_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CutOff]:
    folder = tmp_path_factory.mktemp("cut-off")
    with registered(own_plane) as port, Proxy(own_plane) as proxy, fresh_namespace(own_plane) as client:
        config = proxy.kubeconfig(folder / "config")
        with WebhookProcess(config, folder / "log", port, command=altered(port, SOONER)) as process:
            wait_judged(own_plane)
            yield CutOff(proxy, process, client)
            proxy.reset()


@pytest.fixture
def cut_off(shared: CutOff) -> CutOff:
    """Give the process while all is well, and nothing that it asked before."""
    shared.proxy.reset()
    eventually(
        lambda: shared.process.ask("readyz") == OK and shared.change() is None, within=15, describe="all is well"
    )
    shared.proxy.exchanges.clear()
    return shared


def wait_longer_than(seconds: float) -> None:
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > seconds, within=30, describe=f"{seconds} s are over")


def stays_ready(cut_off: CutOff) -> None:
    """Check that it is ready, or will be: the answer that says so may be late on a busy machine."""
    eventually(lambda: cut_off.process.ask("readyz") == OK, within=15, describe="it is ready")


async def drop(_: Request) -> Answer:
    return DROP


def test_cut_off_from_the_api_server_it_is_unready_until_it_is_answered_again(cut_off: CutOff) -> None:
    assert cut_off.change() is None
    assert cut_off.process.ask("readyz") == OK
    wait_longer_than(5 * LOOK_SECONDS)
    assert cut_off.lookups == 0, "while all is well it asks nothing by itself"

    cut_off.proxy.on_request = drop
    assert cut_off.process.ask("readyz") == OK, "nobody has tried anything yet"
    tried = time.monotonic()
    assert cut_off.change() is not None
    eventually(lambda: cut_off.process.ask("readyz")[0] == 503, within=15, describe="it is unready")
    assert time.monotonic() - tried >= PATIENCE_SECONDS, "one failure may be a moment's"
    assert WHY in cut_off.process.ask("readyz")[1]
    assert cut_off.process.ask("livez") == OK, "a restart would not help"

    cut_off.proxy.on_request = None
    eventually(lambda: cut_off.process.ask("readyz") == OK, within=15, describe="it is ready again")
    assert cut_off.change() is None


FOR_ALL = {
    "etcd is away": Reply.failure(500, "InternalError", "etcdserver: request timed out"),
    "rights were taken away": Reply.failure(403, "Forbidden"),
}


@pytest.mark.parametrize("reply", FOR_ALL.values(), ids=FOR_ALL)
def test_what_fails_for_every_replica_leaves_it_ready(cut_off: CutOff, reply: Reply) -> None:
    """It would take all of them out, and help nobody."""

    async def fail(request: Request) -> Answer:
        return None if request.path == "/version" else reply

    cut_off.proxy.on_request = fail
    assert cut_off.change() is not None
    wait_longer_than(2 * PATIENCE_SECONDS)
    stays_ready(cut_off)


def test_a_question_that_hangs_is_a_doubt_that_an_answer_clears(cut_off: CutOff) -> None:
    async def hang(request: Request) -> Answer:
        if request.path != "/version":
            await asyncio.sleep(5)
        return None

    cut_off.proxy.on_request = hang
    assert cut_off.change() is not None
    eventually(lambda: cut_off.lookups >= 1, within=10, describe="it asks whether there is an answer")
    wait_longer_than(PATIENCE_SECONDS)
    stays_ready(cut_off)


def test_credentials_that_are_refused_make_it_unready(cut_off: CutOff) -> None:
    async def refuse(_: Request) -> Answer:
        return Reply.failure(401, "Unauthorized")

    cut_off.proxy.on_request = refuse
    assert cut_off.change() is not None
    eventually(lambda: cut_off.process.ask("readyz")[0] == 503, within=15, describe="it is unready")
