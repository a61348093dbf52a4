"""A webhook configuration that somebody rewrites is seen: in the log, and in a metric for the alert."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cluster.authority import CONFIGURATION, registered
from support.programs.altered import altered
from support.programs.observed import scrape
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure.kube.names import WEBHOOK_CONFIGURATION
from tenure_dev.controlplane import ControlPlane

LOOKS_OFTEN = """
from tenure.admission import registration
registration.LOOK_SECONDS = 0.2
"""
ENFORCED = {"matchExpressions": [{"key": "control-plane", "operator": "DoesNotExist"}]}
"""What AKS adds to each webhook."""


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> ControlPlane:
    return own_plane


@pytest.fixture(scope="module")
def port(plane: ControlPlane) -> Iterator[int]:
    with registered(plane) as port:
        yield port


def gauge(process: WebhookProcess) -> list[float]:
    return [sample.value for sample in scrape(process)["tenure_webhook_registration_altered"].samples]


def patch(plane: ControlPlane, path: str, value: Any) -> None:
    operation = json.dumps([{"op": "add", "path": path, "value": value}])
    plane.kubectl("patch", CONFIGURATION, WEBHOOK_CONFIGURATION, "--type=json", f"--patch={operation}")


def test_a_rewritten_selector_is_seen_until_it_is_restored(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    command = altered(port, LOOKS_OFTEN)
    with WebhookProcess(plane.kubeconfig, tmp_path / "log", port, command=command) as process:
        eventually(lambda: gauge(process) == [0], within=30, describe="what is installed is Tenure's own")

        patch(plane, "/webhooks/1/namespaceSelector", ENFORCED)
        patch(plane, "/webhooks/2/failurePolicy", "Ignore")

        said = "memberships.tenure.dev has another namespaceSelector; apikeys.tenure.dev has another failurePolicy"
        eventually(lambda: said in process.log, within=30, describe="the log names both")
        assert gauge(process) == [1]
        assert process.ask("readyz")[0] == 200, "a webhook that isn't ready would judge even less"

        patch(plane, "/webhooks/1/namespaceSelector", {})
        patch(plane, "/webhooks/2/failurePolicy", "Fail")
        eventually(lambda: gauge(process) == [0], within=30, describe="it is seen that it was restored")
        plane.kubectl("delete", CONFIGURATION, WEBHOOK_CONFIGURATION)
        eventually(lambda: "check: it was deleted." in process.log, within=30, describe="the deletion is seen")
        assert gauge(process) == [1]
