"""The chart's ServiceAccounts: what operator and webhooks may do in a cluster, they may do here, and no more."""

import json
from pathlib import Path
from typing import Any

import yaml

from tenure_dev import kubeconfig
from tenure_dev.chart import NAMESPACE, render
from tenure_dev.controlplane import ControlPlane

CONTROLLER = f"system:serviceaccount:{NAMESPACE}:tenure-controller"
CONSOLE = f"system:serviceaccount:{NAMESPACE}:tenure-console"
MAIL = f"system:serviceaccount:{NAMESPACE}:tenure-mail"
VERIFIER = f"system:serviceaccount:{NAMESPACE}:tenure-verifier"
WEBHOOK = f"system:serviceaccount:{NAMESPACE}:tenure-webhook"

_RIGHTS = ("templates/serviceaccounts.yaml", "templates/rbac.yaml")


def install_identities(plane: ControlPlane, *args: str) -> None:
    """Apply the ServiceAccounts and their rights as the chart renders them; `args` are Helm's, such as `--set=…`."""
    shown = [f"--show-only={template}" for template in _RIGHTS]
    namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    rendered = [body for body in yaml.safe_load_all(render(*shown, "--set=mail.enabled=true", *args)) if body]
    for body in (namespace, {"apiVersion": "v1", "kind": "List", "items": rendered}):
        plane.kubectl("apply", "--server-side", "--field-manager=helm", "--filename=-", input=json.dumps(body))


def config_of(plane: ControlPlane, account: str) -> Path:
    """Return the kubeconfig of one of the chart's ServiceAccounts, by its user name, with a token of its own."""
    name = account.rpartition(":")[2]
    path = plane.folder / f"{name}.kubeconfig"
    if not path.exists():
        install_identities(plane)
        token = plane.kubectl("create", "token", name, f"--namespace={NAMESPACE}", "--duration=12h").stdout.strip()
        kubeconfig.write(path, plane.server, authority=plane.certificate_authority, token=token)
    return path
