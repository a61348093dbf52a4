"""Write the version of `tenure/__init__.py` into the files that repeat it."""

import re
from collections.abc import Mapping
from pathlib import Path

from tenure import __version__
from tenure_dev.errors import ToolError
from tenure_dev.paths import CHECKOUT

_VERSION = r"[0-9][0-9A-Za-z.+-]*"

PLACES: Mapping[str, tuple[str, ...]] = {
    "pyproject.toml": ('version = "@"',),
    "uv.lock": ('name = "tenure"\nversion = "@"',),
    "helm/tenure/Chart.yaml": ("version: @", "appVersion: @"),
    "manifests/kustomization.yaml": ("    newTag: @",),
    "manifests/argocd/applications.yaml": ("    targetRevision: v@",),
    "manifests/flux/tenure.yaml": ("  ref: {tag: v@}",),
    "README.md": ("registry.example.com/tenure:@",),
    "docs/install.md": ("registry.example.com/tenure:@",),
    "docs/impact.md": ("git.example.com/platform/tenure@v@",),
}
"""Each file, and its texts with the version at the last `@`."""


def versioned_files() -> dict[Path, str]:
    """Return the path below the checkout and the text of each file that repeats the version."""
    return {Path(name): _text(CHECKOUT / name, texts) for name, texts in PLACES.items()}


def _text(path: Path, texts: tuple[str, ...]) -> str:
    content = path.read_text(encoding="utf-8")
    for text in texts:
        before, after = map(re.escape, text.rsplit("@", 1))
        # A key of YAML or TOML begins its line, and a text of a page is anywhere.
        start = "^" if path.suffix != ".md" else ""
        content, count = re.subn(
            rf"({start}{before}){_VERSION}({after})", rf"\g<1>{__version__}\g<2>", content, flags=re.MULTILINE
        )
        if not count:
            raise ToolError(
                f"{path} doesn't contain the version as {text!r}. Correct dev/tenure_dev/generate/version.py"
            )
    return content
