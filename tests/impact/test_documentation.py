"""What the how-to tells people to put into their CI is run as it stands there."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.cluster import people
from support.objects.pull_requests import ALICE, BASE, BOTH, VIEWER, Tree, with_role, write
from tenure_dev.binaries import find
from tenure_dev.paths import CHECKOUT

PAGE = (CHECKOUT / "docs" / "impact.md").read_text()
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
COMMENTER = """\
#!/bin/sh
printf '%s\\n' "$@" > "$SAID/words"
cp impact.md "$SAID/comment"
"""


def workflow() -> Any:
    (found,) = [block for block in BLOCKS if "jobs" in block]
    return found


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Tenure", "-c", "user.email=tenure@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Runner:
    """A runner of GitHub's with a merge checked out; `gh` writes down what it was told to say."""

    folder: Path
    said: Path

    def run(self, script: str | None = None, kubectl: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the step as GitHub does, in a shell that ends at the first error."""
        step = workflow()["jobs"]["price"]["steps"][-1]
        assert set(step["env"]) == {"GH_TOKEN", "NUMBER"}
        programs = [self.said, CHECKOUT / ".venv" / "bin", *([kubectl.parent] if kubectl else []), os.environ["PATH"]]
        environment = {"PATH": ":".join(map(str, programs)), "NUMBER": "7", "GH_TOKEN": "token", "SAID": str(self.said)}
        environment["RUNNER_TEMP"] = str(self.said)
        command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script or step["run"]]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    @property
    def comment(self) -> str | None:
        """The comment on the pull request."""
        file = self.said / "comment"
        return file.read_text() if file.exists() else None

    def merge(self, change: Tree, main: Tree, start: Tree = BASE) -> None:
        """Check out the merge of a change into a main branch that moved on meanwhile."""
        for branch, option, tree in (("main", "--orphan", start), ("change", "-b", change), ("main", "", main)):
            git(self.folder, "checkout", *filter(None, [option]), branch)
            write(self.folder, tree)
            git(self.folder, "add", "--all")
            git(self.folder, "commit", "--allow-empty", f"--message={branch}")
        git(self.folder, "checkout", "--detach", "main")
        git(self.folder, "merge", "--no-ff", "--message=merge", "change")


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Give a runner with an empty repository."""
    repository, said = tmp_path / "repository", tmp_path / "said"
    said.mkdir()
    (said / "gh").write_text(COMMENTER)
    (said / "gh").chmod(0o755)
    repository.mkdir()
    git(repository, "init", "--quiet", "--initial-branch=nothing")
    return Runner(repository, said)


A = "members/alice.yaml"


def test_a_change_that_is_not_acknowledged_is_commented_on_and_fails(runner: Runner) -> None:
    moved_on = {**BASE, "members/bob.yaml": with_role(BASE["members/bob.yaml"], "Analyst")}
    runner.merge({**BASE, A: VIEWER}, moved_on)
    assert runner.run().returncode == 2
    assert runner.comment is not None
    assert "| `default/alice` | Member -> Viewer | `ci-deploy`, `laptop` |  |  |" in runner.comment
    assert "bob" not in runner.comment, "what others merged meanwhile is no part of it"
    words = (runner.said / "words").read_text().split("\n")
    assert words[:5] == ["pr", "comment", "7", "--body-file", "impact.md"]


def test_a_change_that_is_acknowledged_is_commented_on_and_passes(runner: Runner) -> None:
    runner.merge({**BASE, A: with_role(ALICE, "Viewer", BOTH)}, BASE)
    assert runner.run().returncode == 0
    assert runner.comment is not None
    assert "**2 keys revoked**" in runner.comment


def test_a_manifest_that_cant_be_understood_fails_without_a_comment(runner: Runner) -> None:
    runner.merge({**BASE, A: with_role(ALICE, "Guest")}, BASE)
    done = runner.run()
    assert done.returncode == 1
    assert runner.comment is None
    assert "members/alice.yaml: Membership default/alice: spec.role" in done.stderr


def test_files_that_are_called_like_revisions_hide_nothing(runner: Runner) -> None:
    runner.merge({**BASE, A: VIEWER}, BASE)
    for name in ("HEAD", "HEAD^1"):
        (runner.folder / name).touch()
    git(runner.folder, "add", "--all")
    git(runner.folder, "commit", "--amend", "--no-edit")
    assert runner.run().returncode == 2


def rendering() -> str:
    """The step's script where both revisions are rendered, put together as the page says."""
    (block,) = re.findall(r"```bash\n(code=0\n.*?)```", PAGE, re.DOTALL)
    script = workflow()["jobs"]["price"]["steps"][-1]["run"]
    (replaced,) = re.findall(r"code=0\ntenure impact [^\n]*\n", script)
    return str(script.replace(replaced, block))


PATCH = {"target": {"kind": "Membership", "name": "alice"}, "patch": "- {op: replace, path: /spec/role, value: Viewer}"}


def test_a_role_change_by_a_patch_is_seen_where_both_revisions_are_rendered(runner: Runner) -> None:
    binaries = find()
    assert binaries is not None
    overlay, files = {"resources": ["../base"]}, {f"base/{name}": body for name, body in BASE.items()}
    base = {**files, "base/kustomization.yaml": {"resources": list(BASE)}, "prod/kustomization.yaml": overlay}
    runner.merge({**base, "prod/kustomization.yaml": {**overlay, "patches": [PATCH]}}, base, start=base)
    assert runner.run().returncode == 1, "the kustomization does more than list files"
    assert runner.run(rendering(), binaries.kubectl).returncode == 2
    assert runner.comment is not None
    assert "| `default/alice` | Member -> Viewer | `ci-deploy`, `laptop` |  |  |" in runner.comment


def test_the_checkout_is_as_deep_as_the_command_looks() -> None:
    checkout, *_, step = workflow()["jobs"]["price"]["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    assert checkout["with"]["fetch-depth"] == 2
    assert "'HEAD^1^{commit}'" in step["run"]


def test_the_rights_on_the_page_are_those_that_live_needs() -> None:
    (role,) = [block for block in BLOCKS if block.get("kind") == "ClusterRole"]
    assert role["rules"] == [people.rule(people.KINDS, ["get", "list"])]
