"""The documentation site is whole by itself: what it shows is in it, and a dead link fails its build."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.chart import render
from tenure_dev.paths import CHECKOUT

_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\ssrc=["']?(?:https?:)?//|<link\b[^>]*href=["']?(?:https?:)?//"""
)
_IMPORTED = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-b", "html", "--quiet", "--fail-on-warning", str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_fetches_nothing(tmp_path: Path) -> None:
    result = build(CHECKOUT / "docs", tmp_path)
    assert result.returncode == 0, result.stderr
    pages, sheets = list(tmp_path.rglob("*.html")), list(tmp_path.rglob("*.css"))
    assert len(pages) > 25
    assert [page.name for page in pages if _FETCHED.search(page.read_text())] == []
    assert [sheet.name for sheet in sheets if _IMPORTED.search(sheet.read_text())] == []


def test_a_dead_link_and_a_page_out_of_the_navigation_fail_the_build(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(CHECKOUT / "docs", checkout / "docs")
    shutil.copy(CHECKOUT / "pyproject.toml", checkout)
    with (checkout / "docs" / "concepts.md").open("a") as page:
        page.write("\n[somewhere](install.md#no-such-heading)\n")
    (checkout / "docs" / "lost.md").write_text("# Lost\n")
    result = build(checkout / "docs", tmp_path / "site")
    assert result.returncode != 0
    assert "local id not found in doc 'install': 'no-such-heading'" in result.stderr
    assert "lost.md: WARNING: document isn't included in any toctree" in result.stderr


PAGES = "".join(page.read_text() for page in (CHECKOUT / "docs").rglob("*.md"))


def deployments() -> Iterator[dict[str, Any]]:
    """The Deployments that the chart installs, with that of mail, which is off by default."""
    manifests = yaml.safe_load_all(render("--set=mail.enabled=true"))
    return (body for body in manifests if body and body["kind"] == "Deployment")


def test_every_deployment_that_a_page_names_is_installed() -> None:
    named = set(re.findall(r"deploy(?:ment)?s?[/ ](tenure-[a-z]+)", PAGES))
    assert named
    assert named <= {body["metadata"]["name"] for body in deployments()}


def test_pods_are_asked_for_by_labels_that_they_have() -> None:
    named = set(re.findall(r"(?:pods|endpoints|logs)\b.* -l ?(app\.kubernetes\.io/[\w-]+=[\w-]+)", PAGES))
    labels = [body["spec"]["template"]["metadata"]["labels"] for body in deployments()]
    assert named
    assert named <= {f"{name}={value}" for pod in labels for name, value in pod.items()}


def test_logs_are_read_of_all_pods_whole_or_to_a_length_that_is_said() -> None:
    commands = re.findall(r"kubectl logs .*", PAGES)
    assert commands
    for command in commands:
        assert " -l app.kubernetes.io/component=" in command
        assert " --tail=" in command
        # A program that reads JSON can't do with a pod's name before it.
        assert (" --prefix " in command) is ("| jq" not in command)
