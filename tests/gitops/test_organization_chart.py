"""The chart of the page *Organizations by a chart*, installed, upgraded and rolled back by Helm itself."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.cluster.world import World
from support.objects.organization_chart import CHANGED, VALUES, without_acknowledgement, write_chart
from support.programs.judged import Judged
from support.run.slowness import NEVER
from tenure_dev.tools import Tools

Body = dict[str, Any]

KEEP = "helm.sh/resource-policy"


class Chart:
    """The chart of the page, and Helm for one namespace."""

    def __init__(self, judged: Judged, namespace: str, folder: Path) -> None:
        self._environment = {"HOME": str(folder), "KUBECONFIG": str(judged.plane.kubeconfig)}
        self._folder, self._namespace = folder / "organization", namespace
        write_chart(self._folder, VALUES)

    def upgrade(self, values: Body, *flags: str) -> str:
        """Upgrade the release to these values, and return what Helm says if it fails."""
        write_chart(self._folder, values)
        return self.helm("upgrade", "acme", str(self._folder), *flags)

    def install(self) -> str:
        """Install the release as the page says."""
        return self.helm("install", "acme", str(self._folder))

    def helm(self, *arguments: str) -> str:
        """Run Helm, and return what it says if it fails."""
        command = [str(Tools.find_or_build().helm), *arguments, "--namespace", self._namespace]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=self._environment, timeout=NEVER
        )
        return done.stderr if done.returncode else ""


@pytest.fixture
def chart(judged: Judged, world: World, tmp_path: Path) -> Chart:
    chart = Chart(judged, world.api.namespace, tmp_path)
    assert chart.install() == ""
    world.issue("ci-deploy", "laptop", within=30)
    return chart


def test_a_role_change_with_everything_in_one_upgrade_passes(chart: Chart, world: World) -> None:
    old = world.issue("ci-deploy")["ci-deploy"]
    assert chart.upgrade(CHANGED) == ""
    world.wait_new_token("ci-deploy", old, within=30)
    world.wait_gone("apikeys", "laptop", within=30)
    assert chart.upgrade(CHANGED, "--wait") == ""


def test_a_rejected_role_change_revokes_nothing_and_the_next_upgrade_mends_it(chart: Chart, world: World) -> None:
    old = world.issue("ci-deploy")["ci-deploy"]
    said = chart.upgrade(without_acknowledgement(CHANGED))
    assert "In Git, in the same commit:" in said
    assert world.verdict(old) == "Valid"
    assert chart.upgrade(CHANGED) == ""
    world.wait_new_token("ci-deploy", old, within=30)


def test_a_revoked_key_that_stays_is_not_issued_again_and_a_rollback_is_rejected(chart: Chart, world: World) -> None:
    both = {**CHANGED, "keys": {**CHANGED["keys"], "laptop": VALUES["keys"]["laptop"]}}
    assert chart.upgrade(both) == ""
    world.wait_reason("laptop", "RoleChanged", within=30)
    assert chart.upgrade(both) == ""
    token = world.issue("ci-deploy", within=30)["ci-deploy"]
    assert chart.upgrade(both, "--wait", "--timeout=5s") != ""
    assert world.reason("apikeys", "laptop") == "RoleChanged"
    assert "spec.role: Viewer -> Member would revoke 1 API key" in chart.helm("rollback", "acme", "1")
    assert world.verdict(token) == "Valid"


def test_what_is_to_be_kept_is_kept(chart: Chart, world: World) -> None:
    for plural, name in (("memberships", "alice"), ("apikeys", "ci-deploy")):
        world.api.patch(plural, name, {"metadata": {"annotations": {KEEP: "keep"}}})
    fewer = {"members": {"olga": VALUES["members"]["olga"]}, "keys": {}}
    assert chart.upgrade(fewer) == ""
    world.wait_gone("apikeys", "laptop", within=30)
    assert world.issue("ci-deploy")["ci-deploy"] is not None
