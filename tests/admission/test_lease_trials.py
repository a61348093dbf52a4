"""Owners who demote each other at the same moment: one stays, because the change that takes one away holds a lease."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from support.load.trials import Arena, admit_owners
from support.programs.altered import altered
from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
from support.run.slowness import slowness
from support.run.soak import Figure, size
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

REPLICAS = 2
CONTENDERS = max(round(40 / slowness()), 10)
"""Requests at once, as many as are judged within the API server's five seconds."""

LEASE_OF_ITS_OWN = """
from dataclasses import replace
from uuid import uuid4
from tenure.admission import act

write = act.write_lease

async def write_own(cluster, lease):
    await write(cluster, replace(lease, name=f"{lease.name}-{uuid4().hex}", resource_version=""))

act.write_lease = write_own
"""
"""Every change takes a lease of its own, which keeps nobody out."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane with the operator, and the webhooks registered that nobody serves yet."""
    folder = tmp_path_factory.mktemp("lease")
    with ControlPlane.start(find_or_build(), folder, crds=CRDS) as plane:
        plane.kubectl("apply", "--server-side", "--filename", str(CHECKOUT / "manifests" / "roles.yaml"))
        admit_owners(plane)
        with OperatorProcess(plane.kubeconfig, folder / "operator.log", "--no-webhooks"):
            yield plane


@pytest.fixture(scope="module")
def port(plane: ControlPlane) -> int:
    return webhooks.install(plane)


@contextmanager
def replicas(plane: ControlPlane, port: int, folder: Path, change: str = "") -> Iterator[list[WebhookProcess]]:
    """Give two webhook processes that share the port."""
    processes = [
        WebhookProcess(plane.kubeconfig, folder / f"replica-{number}.log", port, command=altered(port, change))
        for number in range(REPLICAS)
    ]
    with ExitStack() as stack:
        for process in processes:
            stack.enter_context(process)
        yield processes


@pytest.mark.soak
@pytest.mark.parametrize(
    ("owners", "trials"),
    [
        pytest.param(2, size(short=60, soak=1000), id="two Owners"),
        pytest.param(5, size(short=20, soak=150), id="five Owners"),
    ],
)
async def test_owners_who_demote_each_other_leave_one(
    plane: ControlPlane, port: int, tmp_path: Path, figure: Figure, *, owners: int, trials: int
) -> None:
    with replicas(plane, port, tmp_path) as processes:
        async with Arena(plane, owners, CONTENDERS // owners) as arena:
            tally = await arena.run(trials)
        judged = [process.log.count("Rejected UPDATE memberships") for process in processes]

    figure(f"{trials} trials of {owners} Owners, refusals by replica {judged}: {tally}")
    assert tally.owners_left.total() == trials
    assert tally.owners_left[0] == 0
    assert tally.owners_left[1] > trials / 2, "most demotions were not judged at all"
    assert min(judged) > 0, "one of the replicas had nothing to say"


@pytest.mark.soak
async def test_without_the_lease_they_leave_none(
    plane: ControlPlane, port: int, tmp_path: Path, figure: Figure
) -> None:
    trials = size(short=60, soak=300)
    with replicas(plane, port, tmp_path, LEASE_OF_ITS_OWN):
        async with Arena(plane, 2, CONTENDERS // 2) as arena:
            tally = await arena.run(trials)

    figure(f"{trials} trials of 2 Owners without the lease: {tally}")
    assert tally.owners_left[0] > 0
