"""Certificates of an authority that the replicas share: renewed under load, and no request fails by it."""

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from support.api.client import Client, fresh_namespace
from support.cluster.authority import bundle, bundle_managers, put_secret, secret, served_by, trust, wait_judged
from support.faults.exchange import Answer, Request
from support.faults.proxy import Proxy
from support.load.load import Answers, Call, load
from support.objects import manifests
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from support.run.slowness import slowness, slowness_now
from support.run.soak import Figure, size
from tenure.certificates.authority import Authority
from tenure.domain.resources.base import API_VERSION
from tenure.kube import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS
from tenure_dev.webhooks import configuration, install

_CONFIGURATION = webhooks.PATH
NEW_CERTIFICATE, NEW_AUTHORITY = "Issued a certificate for", "Created a webhook authority, valid until"
REPLICAS, ROTATIONS, RATE = size(short=2, soak=4), size(short=4, soak=20), 50
LIFE = timedelta(seconds=size(short=min(round(30 * slowness()), 60), soak=60))
AGE = size(short=LIFE * 5 / 3, soak=timedelta())
"""Of the authority that the replicas find: in the short form it is renewed once one life of a certificate is over."""

ENOUGH = 20
"""Requests for each rotation, to meet it."""

LONGEST_SECONDS = 280.0
BUSY = 1.5
"""A slowness; on a machine that is quicker, an answer that comes late is a fault too."""


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane.start(find_or_build(), tmp_path / "plane", crds=CRDS) as plane:
        yield plane


@pytest.fixture
def port(plane: ControlPlane) -> int:
    return install(plane)


@pytest.fixture
def proxies(plane: ControlPlane) -> Iterator[list[Proxy]]:
    """Give two proxies, through which two replicas see the API server."""
    with Proxy(plane) as one, Proxy(plane) as other:
        yield [one, other]


def replicas(plane: ControlPlane, port: int, folder: Path, *args: str) -> list[WebhookProcess]:
    logs = [folder / f"replica-{number}.log" for number in range(REPLICAS)]
    return [WebhookProcess(plane.kubeconfig, log, port, *args) for log in logs]


class Prober:
    """Opens connections of its own, and trusts nobody but whom the API server trusts at that moment."""

    def __init__(self, plane: ControlPlane, port: int) -> None:
        self._api, self._port = Client(plane, ""), port
        self.serials: set[int] = set()
        self.authorities: set[bytes | None] = set()
        self.refused: list[str] = []

    async def probe(self) -> None:
        """Open connections until cancelled."""
        while True:
            try:
                trusted = await asyncio.to_thread(self._trusted)
                certificate = await asyncio.to_thread(served_by, self._port, trusted)
            except ssl.SSLError as error:
                self.refused.append(f"{datetime.now(UTC)}: {error}")
            else:
                self.serials.add(certificate.serial_number)
                identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
                self.authorities.add(identifier.value.key_identifier)
            await asyncio.sleep(0.2)

    def _trusted(self) -> bytes:
        """As `bundle`, without a process of its own each time."""
        (encoded,) = {webhook["clientConfig"]["caBundle"] for webhook in self._api.read(_CONFIGURATION)["webhooks"]}
        return base64.b64decode(encoded)


async def rotate_under_load(
    plane: ControlPlane, port: int, namespace: str, processes: list[WebhookProcess]
) -> tuple[Answers, Prober]:
    """Have requests judged until all certificates were renewed often enough, and the authority too."""
    prober = Prober(plane, port)
    probing = asyncio.create_task(prober.probe())
    async with load(plane, lambda number: patch(namespace, number), rate=RATE) as answers:
        async with asyncio.timeout(LONGEST_SECONDS * slowness()):
            while rotations(processes) < ROTATIONS or len(prober.authorities) < 2:
                assert not probing.done(), probing.exception()
                assert (answers.faults, prober.refused) == ([], [])  # There is nothing more to wait for.
                await asyncio.sleep(1)
            done = answers.codes.total()
            while answers.codes.total() < max(done + RATE, ENOUGH * ROTATIONS):  # noqa: ASYNC110 - the load counts
                await asyncio.sleep(1)
    probing.cancel()
    return answers, prober


def rotations(processes: list[WebhookProcess]) -> int:
    """How often a certificate was replaced; each process's first one replaces none."""
    return sum(process.log.count(NEW_CERTIFICATE) - 1 for process in processes)


def patch(namespace: str, number: int) -> Call:
    """A change of a key's labels, or now and then a role change that is judged in full."""
    where = f"/apis/{API_VERSION}/namespaces/{namespace}"
    if number % 10 == 0:
        return Call(f"{where}/memberships/mia?dryRun=All", {"spec": {"role": "Viewer"}})
    return Call(f"{where}/apikeys/key-{number % 10}", {"metadata": {"labels": {"example.com/turn": str(number)}}})


@pytest.mark.soak
async def test_rotations_under_load_fail_no_request(
    plane: ControlPlane, port: int, tmp_path: Path, figure: Figure
) -> None:
    found = Authority.create(datetime.now(UTC) - AGE, LIFE)
    put_secret(plane, {"ca.crt": found.certificate, "ca.key": found.key}, verb="create")
    processes = replicas(plane, port, tmp_path, f"--certificate-life={LIFE.seconds}s")
    with ExitStack() as stack:
        for process in processes:
            stack.enter_context(process)
        wait_judged(plane)
        client = stack.enter_context(fresh_namespace(plane))
        populate(client)
        answers, prober = await rotate_under_load(plane, port, client.namespace, processes)
        renewed = sum(process.log.count(NEW_AUTHORITY) for process in processes)
        ready = all("Not ready" not in process.log for process in processes)

    figure(
        f"{rotations(processes)} rotations of certificates, {renewed} of the authority: {answers.codes.total()} "
        f"requests, {answers.failed} failed, {answers.late} of them since they took too long; "
        f"{len(prober.serials)} certificates seen on new connections, {len(prober.refused)} not trusted",
    )
    assert answers.faults == []
    assert answers.late == 0 or slowness_now() > BUSY, answers.errors
    assert prober.refused == []
    assert len(prober.serials) >= ROTATIONS
    assert renewed >= 1
    assert ready


def populate(client: Client) -> None:
    client.create("organizations", manifests.organization())
    client.create("memberships", manifests.member("mia"))
    for number in range(1, 10):
        client.create("apikeys", manifests.api_key(f"key-{number}", "mia"))


def test_whoever_applies_the_configuration_again_leaves_the_trust_alone(
    plane: ControlPlane, port: int, tmp_path: Path
) -> None:
    with WebhookProcess(plane.kubeconfig, tmp_path / "webhook.log", port):
        wait_judged(plane)
        before = bundle(plane)
        assert bundle_managers(plane) == {"tenure"}

        apply = ("apply", "--server-side", "--field-manager=installer", "--filename=-")
        plane.kubectl(*apply, input=json.dumps(configuration(port)))

        assert bundle(plane) == before
        assert bundle_managers(plane) == {"tenure"}
        wait_judged(plane)


def test_replicas_that_start_at_the_same_moment_agree_on_one_authority(
    plane: ControlPlane, port: int, proxies: list[Proxy], tmp_path: Path
) -> None:
    waiting: list[Request] = []

    async def wait_for_both(request: Request) -> Answer:
        if request.resource == "secrets" and request.method == "POST":
            waiting.append(request)
            while len(waiting) < 2:  # noqa: ASYNC110 - the other one is in another loop
                await asyncio.sleep(0.01)
        return None

    with ExitStack() as stack:
        processes = []
        for number, proxy in enumerate(proxies):
            proxy.on_request = wait_for_both
            config = proxy.kubeconfig(tmp_path / f"config-{number}")
            process = WebhookProcess(config, tmp_path / f"replica-{number}.log", port).start(ready=False)
            processes.append(stack.enter_context(process))
        for process in processes:
            process.wait_ready(within=60)

        assert len(waiting) == 2, "they didn't both make one"
        assert sum(process.log.count(NEW_AUTHORITY) for process in processes) == 1
        assert (secret(plane) or {})["ca.crt"] == bundle(plane)
        for _ in range(10):
            served_by(port, bundle(plane))
        wait_judged(plane)


def test_a_replica_that_was_held_up_takes_back_no_trust(
    plane: ControlPlane, port: int, proxies: list[Proxy], tmp_path: Path
) -> None:
    with WebhookProcess(plane.kubeconfig, tmp_path / "first.log", port):
        old = secret(plane) or {}
    held: list[Request] = []
    goes_on = False

    async def hold(request: Request) -> Answer:
        if request.resource == "secrets":
            held.append(request)
        while held and request.resource == "validatingwebhookconfigurations" and not goes_on:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return None

    trust(plane, b"", manager="tenure")  # So that the replica has something to say.
    proxies[0].on_request = hold
    process = WebhookProcess(proxies[0].kubeconfig(tmp_path / "config"), tmp_path / "second.log", port)
    with process.start(ready=False):
        eventually(lambda: held, within=30, describe="the replica knows the authority")
        new = Authority.create(datetime.now(UTC), timedelta(days=90))
        put_secret(
            plane,
            {
                "ca.crt": new.certificate,
                "ca.key": new.key,
                "previous.crt": old["ca.crt"],
                "previous.key": old["ca.key"],
            },
        )
        trust(plane, new.certificate + old["ca.crt"], manager="tenure")
        goes_on = True
        process.wait_ready()
        assert bundle(plane) == new.certificate + old["ca.crt"]
