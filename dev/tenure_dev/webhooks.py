"""Register webhooks on loopback, with the shipped configuration and a URL in place of the Service."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.paths import CHECKOUT

MANIFEST = CHECKOUT / "manifests" / "webhooks.yaml"
NAMESPACE = "tenure-system"

READY_LINE = "Tenure is ready: serving webhooks"
"""Log line of a webhook process once its self-test has passed."""


def command(port: int) -> tuple[str, ...]:
    """Return the command line of a webhook process on a port of the loopback."""
    return (
        *(sys.executable, "-m", "tenure", "webhook"),
        *("--webhook-host", "127.0.0.1", "--webhook-port", str(port), "--system-namespace", NAMESPACE),
    )


def configuration(port: int, manifest: Path = MANIFEST) -> dict[str, Any]:
    """Return the shipped configuration for a listener on a port of the loopback."""
    body: dict[str, Any] = yaml.safe_load(manifest.read_text())
    for webhook in body["webhooks"]:
        path = webhook["clientConfig"]["service"]["path"]
        webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}"}
    return body


def install(plane: ControlPlane) -> int:
    """Create Tenure's namespace and register the webhooks, and return the port to which reviews will be sent."""
    (port,) = free_ports(1)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    for body in (namespace, configuration(port)):
        plane.kubectl("apply", "--server-side", "--field-manager=installer", "--filename=-", input=json.dumps(body))
    return port
