"""An upgrade: one replica is replaced while the other serves, and no write is stored that nobody judged."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.api.client import Client, fresh_namespace
from support.cluster import people
from support.cluster.authority import wait_judged
from support.load.load import Answers, load
from support.load.role_changes import FORBIDDEN_ROLE, RoleChanges
from support.objects import manifests
from support.programs.webhook_process import WebhookProcess
from support.run.soak import Figure, size
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS
from tenure_dev.webhooks import install

MEMBERS, RATE, ROUNDS = 20, 25, size(short=4, soak=20)
CHANGES = RoleChanges("member", MEMBERS)


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane.start(find_or_build(), tmp_path / "plane", audit=True, crds=CRDS) as plane:
        yield plane


@pytest.fixture
def port(plane: ControlPlane) -> int:
    return install(plane)


@pytest.fixture
def client(plane: ControlPlane, port: int, tmp_path: Path) -> Iterator[Client]:
    """Give an organization whose Memberships an outsider may write, but for the webhooks."""
    with fresh_namespace(plane, "acme") as client:
        with WebhookProcess(plane.kubeconfig, tmp_path / "first.log", port):
            wait_judged(plane)
            client.create("organizations", manifests.organization())
            for number in range(MEMBERS):
                client.create("memberships", manifests.member(f"member-{number}"))
        subjects = [people.subject(person.user) for person in (people.OUTSIDER, people.LIMITED_GITOPS)]
        people.bind(plane, "acme", "grants", subjects[1:], people.granting(people.LIMITED_GITOPS.grants))
        people.bind(plane, "acme", "writes", subjects, people.plain())
        people.wait_permitted(client, people.OUTSIDER.user, "patch", "memberships")
        yield client


async def upgrade(replicas: Sequence[WebhookProcess]) -> None:
    """Replace one replica after the other by a new one; the last one crashes."""
    for number in range(ROUNDS):
        replica = replicas[number % len(replicas)]
        await asyncio.to_thread(replica.kill if number == ROUNDS - 1 else replica.stop)
        await asyncio.sleep(1)
        replica.start(ready=False)
        await asyncio.to_thread(replica.wait_ready)
        await asyncio.sleep(1)


@pytest.mark.soak
async def test_no_write_is_stored_that_nobody_judged(
    plane: ControlPlane, port: int, client: Client, tmp_path: Path, figure: Figure
) -> None:
    audit = Audit(plane.audit_log or Path())
    with ExitStack() as stack:
        logs = [tmp_path / f"replica-{number}.log" for number in range(2)]
        replicas = [stack.enter_context(WebhookProcess(plane.kubeconfig, log, port)) for log in logs]
        async with (
            load(plane, CHANGES.forbidden, rate=RATE) as refused,
            load(plane, CHANGES.permitted, rate=RATE) as passed,
        ):
            await upgrade(replicas)

    figure(f"while replicas were replaced: {tell(refused)} of an outsider, {tell(passed)} of somebody entitled")
    written = [entry for entry in audit.writes(user=people.OUTSIDER.user, resource="memberships") if entry.code < 300]
    assert written == []
    assert FORBIDDEN_ROLE not in {body["spec"]["role"] for body in client.list("memberships")}
    assert set(refused.codes) <= {403, 500}
    assert refused.codes[403] > refused.codes.total() / 2, "the outsider was not judged, but met nobody"
    assert passed.codes[200] > passed.codes.total() / 2


def tell(answers: Answers) -> str:
    return f"{answers.codes.total()} requests ({', '.join(f'{n} x {code}' for code, n in answers.codes.items())})"
