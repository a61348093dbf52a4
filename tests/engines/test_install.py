"""The documented manifests install Tenure, by the real engines, on a control plane that has nothing of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.conftest import CHOSEN, ENGINES, require
from support.engines.engine import Engine, tenure_manifests
from support.engines.git_server import serve_git
from support.run.eventually import eventually
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane

TENURE = "tenure-system"
DEPLOYMENTS = ("tenure-controller", "tenure-verifier", "tenure-webhook")

REASONS = {"Available": "MinimumReplicasAvailable", "Progressing": "NewReplicaSetAvailable"}
"""Of the conditions of a Deployment that runs."""


@pytest.fixture(params=CHOSEN)
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Give an engine on a control plane of its own, and a Git server with Tenure's repository."""
    require(request.param)
    with (
        serve_git(tmp_path / "git") as git,
        # Argo CD waits until the chart's PodDisruptionBudgets have a status.
        ControlPlane.start(find_or_build(), tmp_path / "plane", controllers=["disruption-controller"]) as plane,
        ENGINES[request.param](plane, git, tmp_path / "engine") as engine,
    ):
        repository = git.repository("tenure")
        for path, source in tenure_manifests().items():
            shutil.copytree(source, repository.folder / path)
        repository.commit("Release")
        repository.git("tag", "v0.1.0")
        yield engine


def test_the_documented_manifests_install_tenure(bare: Engine) -> None:
    bare.apply(*bare.installation())
    run_pods(bare.plane)
    bare.installed()
    kinds = bare.plane.kubectl("get", "customresourcedefinitions", "--output=name").stdout
    for plural in ("organizations", "memberships", "apikeys"):
        assert f"{plural}.tenure.dev" in kinds


def run_pods(plane: ControlPlane) -> None:
    """Say of each Deployment that it runs, in place of a node and its controllers, which aren't here."""

    def deployed() -> bool:
        found = json.loads(plane.kubectl("get", "deployments", f"--namespace={TENURE}", "--output=json").stdout)
        return {body["metadata"]["name"] for body in found["items"]} == set(DEPLOYMENTS)

    eventually(deployed, within=120, every=1, describe="the chart's Deployments are there")
    for name in DEPLOYMENTS:
        body = json.loads(plane.kubectl("get", "deployment", name, f"--namespace={TENURE}", "--output=json").stdout)
        replicas = body["spec"]["replicas"]
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
        conditions = [
            {"type": kind, "status": "True", "reason": reason, "message": "in place of a node"}
            for kind, reason in REASONS.items()
        ]
        status = {"observedGeneration": body["metadata"]["generation"], **counts, "conditions": conditions}
        target = ("patch", "deployment", name, f"--namespace={TENURE}", "--subresource=status", "--type=merge")
        plane.kubectl(*target, f"--patch={json.dumps({'status': status})}")
