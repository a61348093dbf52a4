"""The cluster's authority and the ServiceAccounts' tokens are renewed while changes are judged and tokens verified."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme

from support.api.client import fresh_namespace
from support.cluster.authority import registered, wait_judged
from support.cluster.identity import CONTROLLER, VERIFIER, WEBHOOK, install_identities
from support.cluster.verified import known
from support.cluster.world import World
from support.faults.front import Front
from support.load.load import Answers, Call, load_beside
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.pod import Pod, put
from support.programs.verifier_process import VerifierProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure.domain.tokens import Token
from tenure_dev import operator, verifier, webhooks
from tenure_dev.chart import NAMESPACE
from tenure_dev.controlplane import ControlPlane, free_ports

ACCOUNTS = (CONTROLLER, VERIFIER, WEBHOOK)


class Installation:
    """Tenure's three programs in pods, in front of which the API server's certificate is renewed."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.old, self.new = trustme.CA(), trustme.CA()
        self.front = Front(plane, self.old)
        self._folder = folder

    @contextmanager
    def running(self, port: int) -> Iterator["Installation"]:
        """Run them, with the webhook on this port."""
        install_identities(self.plane)
        with ExitStack() as stack:
            stack.enter_context(self.front)
            tokens = self.issue("first")
            self.pods = [
                Pod(self._folder / str(number), self.front.url, token, self.old.cert_pem.bytes())
                for number, token in enumerate(tokens)
            ]
            controller, verifies, judges = self.pods
            logs = [self._folder / f"{name}.log" for name in ("controller", "verifier", "webhook")]
            verifier_port = free_ports(1)[0]
            self.controller = OperatorProcess(
                self._config,
                logs[0],
                "--no-webhooks",
                command=controller.command(operator.COMMAND),
                env=controller.env,
            )
            self.verifier = VerifierProcess(
                self._config,
                logs[1],
                port=verifier_port,
                command=verifies.command(verifier.command(verifier_port)),
                env=verifies.env,
            )
            self.webhook = WebhookProcess(
                self._config, logs[2], port, command=judges.command(webhooks.command(port)), env=judges.env
            )
            for process in self.processes:
                stack.enter_context(process)
            yield self

    @property
    def processes(self) -> Sequence[OperatorProcess]:
        return self.controller, self.verifier, self.webhook

    @property
    def _config(self) -> Path:
        return self.plane.kubeconfig

    def issue(self, bound: str) -> list[str]:
        """Have a token issued for each ServiceAccount, which ends with the Secret of this name."""
        where = f"--namespace={NAMESPACE}"
        self.plane.kubectl("create", "secret", "generic", bound, where)
        to = ("--bound-object-kind=Secret", f"--bound-object-name={bound}")
        names = [account.rpartition(":")[2] for account in ACCOUNTS]
        return [self.plane.kubectl("create", "token", name, where, *to).stdout.strip() for name in names]

    def trust(self, *authorities: trustme.CA) -> None:
        """Have the kubelet write another `ca.crt` into each pod."""
        for pod in self.pods:
            put(pod.authority, b"".join(authority.cert_pem.bytes() for authority in authorities))

    def wait_used(self, tokens: Sequence[str]) -> None:
        """Wait until each program has sent a request with its token in a new connection, and watched if it watches."""

        def used() -> bool:
            self.front.cut_watches()
            seen = [request for request in self.front.seen if request.is_new]
            watching = {request.token for request in seen if request.is_watch}
            return {*tokens} <= {request.token for request in seen} and {*tokens[:2]} <= watching

        eventually(used, within=90, every=1.0, describe="each program uses it")


@pytest.fixture(scope="module")
def installation(own_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with (
        registered(own_plane) as port,
        Installation(own_plane, tmp_path_factory.mktemp("pods")).running(port) as running,
    ):
        wait_judged(own_plane)
        yield running


@contextmanager
def verifying(process: VerifierProcess, token: Token) -> Iterator[Counter[str]]:
    """Ask for a token again and again while the block runs, which gets the verdicts."""
    verdicts: Counter[str] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.02):
            verdicts[process.code(token)] += 1

    thread = threading.Thread(target=ask, name="verifying", daemon=True)
    thread.start()
    try:
        yield verdicts
    finally:
        done.set()
        thread.join()


@contextmanager
def judging(plane: ControlPlane, namespace: str) -> Iterator[Answers]:
    """Create keys again and again while the block runs, in dry-runs. The webhook reads the cluster for each."""
    path = f"/apis/tenure.dev/v1alpha1/namespaces/{namespace}/apikeys?dryRun=All"
    with load_beside(
        plane, lambda number: Call(path, api_key(f"key-{number}", "alice"), method="POST"), rate=20
    ) as answers:
        yield answers


def test_no_review_is_refused_and_no_verdict_is_wrong_while_all_of_it_is_renewed(installation: Installation) -> None:
    plane, front = installation.plane, installation.front
    first = [pod.token.read_text() for pod in installation.pods]
    with fresh_namespace(plane) as api:
        world = World(api)
        world.create(organization(), member("alice"), api_key("laptop", "alice"))
        token = known(world, installation.verifier, "laptop")
        with verifying(installation.verifier, token) as verdicts, judging(plane, api.namespace) as answers:
            installation.trust(installation.old, installation.new)
            front.renew(installation.new)
            installation.wait_used(first)

            installation.trust(installation.new)
            front.renew(installation.new)
            installation.wait_used(first)

            second = installation.issue("second")
            for pod, text in zip(installation.pods, second, strict=True):
                put(pod.token, text.encode())
            plane.kubectl("delete", "secret", "first", f"--namespace={NAMESPACE}")
            front.renew(installation.new)
            installation.wait_used(second)

        assert answers.faults == []
        assert answers.codes[201] > 0
        assert set(verdicts) == {"Valid"}
        world.create(api_key("phone", "alice"))
        world.issue("phone")
    for process in installation.processes:
        assert process.ask("livez")[0] == 200
        assert "Traceback" not in process.log
