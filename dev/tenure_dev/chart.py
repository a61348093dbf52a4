"""What is written from the chart: its README's table of values, and the manifests for people without Helm."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.errors import ToolError
from tenure_dev.paths import CHECKOUT
from tenure_dev.tools import Tools

CHART = CHECKOUT / "helm" / "tenure"
NAMESPACE = "tenure-system"

_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z0-9]+):")
_INSTALL_HEADER = (
    "# Generated from helm/tenure by `make generate`, for people without Helm:\n"
    "# kubectl apply --server-side -f install.yaml\n"
    "apiVersion: v1\n"
    "kind: Namespace\n"
    f"metadata: {{name: {NAMESPACE}}}\n"
)
_README_HEAD = """\
# Chart tenure

```console
helm install tenure helm/tenure --namespace tenure-system --create-namespace
helm test tenure --namespace tenure-system
```

Two Deployments: the operator, which issues and ends keys, and the webhooks, which judge changes before they are stored.
Each has a ServiceAccount of its own with the least rights; [the rights](../../docs/reference/rights.md) are checked at
each start. Pods meet the Pod Security Standard *restricted*.

The CustomResourceDefinitions are part of the release, so that upgrades bring them up to date; with `crds.keep` they
stay when it is uninstalled. Images aren't published yet: build one from the `Dockerfile` and set `image.repository`.

## Values

| Value | Default | Meaning |
| --- | --- | --- |
"""


def render(*args: str, chart: Path = CHART, namespace: str = NAMESPACE) -> str:
    """Return the chart's manifests as Helm renders them; raises `ToolError` with Helm's words if it can't."""
    helm = Tools.find_or_build().helm
    command: list[str | Path] = [helm, "template", "tenure", chart, "--namespace", namespace, *args]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ToolError(result.stderr.strip())
    return result.stdout


def generated_files() -> Mapping[Path, str]:
    """Path below the checkout and text of every file that is written from the chart."""
    return {
        Path("helm", "tenure", "README.md"): _README_HEAD + "".join(_rows(CHART / "values.yaml")),
        Path("manifests", "install.yaml"): _INSTALL_HEADER + render("--skip-tests"),
    }


def changed_files() -> list[Path]:
    """The files written from the chart that are missing or out of date."""
    found = generated_files().items()
    return [path for path, text in found if not (CHECKOUT / path).exists() or (CHECKOUT / path).read_text() != text]


def _rows(values: Path) -> Iterator[str]:
    """A row for each value that has a comment with `--` before it, and for each one without children."""
    text = values.read_text()
    defaults = yaml.safe_load(text)
    path: list[str] = []
    comment = ""
    for line in text.splitlines():
        if line.lstrip().startswith("# -- "):
            comment = line.lstrip().removeprefix("# -- ")
        elif found := _KEY.match(line):
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            default: Any = defaults
            for key in path:
                default = default[key]
            if not isinstance(default, dict) or not default or _is_leaf(line):
                yield f"| `{'.'.join(path)}` | `{json.dumps(default)}` | {comment} |\n"
            comment = ""


def _is_leaf(line: str) -> bool:
    return not line.rstrip().endswith(":")
