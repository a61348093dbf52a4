"""Render the chart with Helm, for tests and for the manifests for people without Helm."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.paths import CHECKOUT
from tenure_dev.tools import Tools

CHART = CHECKOUT / "helm" / "tenure"
NAMESPACE = "tenure-system"

_INSTALL_HEADER = (
    "# Generated from helm/tenure by `make generate`, for people without Helm:\n"
    "# kubectl apply --server-side -f install.yaml\n"
    "apiVersion: v1\n"
    "kind: Namespace\n"
    f"metadata: {{name: {NAMESPACE}}}\n"
)


def render(*args: str, chart: Path = CHART, namespace: str = NAMESPACE) -> str:
    """Return the chart's manifests as Helm renders them. Raises `ToolError` with Helm's message if it can't."""
    helm = Tools.find_or_build().helm
    command: list[str | Path] = [helm, "template", "tenure", chart, "--namespace", namespace, *args]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ToolError(result.stderr.strip())
    return result.stdout


def rendered_files() -> Mapping[Path, str]:
    """Return the path below the checkout and the text of each file that Helm renders from the checkout's chart."""
    return {Path("manifests", "install.yaml"): _INSTALL_HEADER + render("--skip-tests")}
