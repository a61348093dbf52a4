"""Where `tenure impact` reads from: the pull request chooses the names of files, so no name hides another source."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.objects.trees import fill, impact

MEMBER = """\
apiVersion: tenure.dev/v1alpha1
kind: Membership
metadata: {name: alice, namespace: acme}
spec: {organization: acme, subject: {kind: User, name: alice@acme.io}, role: %s}
"""
KEY = """\
apiVersion: tenure.dev/v1alpha1
kind: ApiKey
metadata: {name: laptop, namespace: acme}
spec: {membership: alice, access: Full}
"""
UNACKNOWLEDGED = 'Add this annotation:   tenure.dev/acknowledge-key-deletion: "Viewer: laptop"'


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=Tenure", "-c", "user.email=tenure@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """Give a repository whose second commit takes Alice's role, as the present folder."""
    with contextlib.chdir(fill(tmp_path / "repository", {"alice.yaml": MEMBER % "Member", "laptop.yaml": KEY})):
        git("init", "--quiet", "--initial-branch=main")
        git("add", "--all")
        git("commit", "--quiet", "--message=one")
        Path("alice.yaml").write_text(MEMBER % "Viewer")
        git("commit", "--quiet", "--all", "--message=two")
        yield tmp_path / "repository"


@pytest.mark.parametrize("names", [("HEAD", "HEAD^1"), ("HEAD",), ("HEAD^1",), ("HEAD/alice.yaml",)], ids=str)
def test_a_path_that_is_called_like_a_revision_is_refused(repository: Path, names: tuple[str, ...]) -> None:
    assert impact("HEAD^1", "HEAD").code == 2
    fill(repository, dict.fromkeys(names, ""))
    said = impact("HEAD^1", "HEAD")
    assert said.code == 1
    assert "this is both a path and a git revision" in said.text


def test_what_the_refusal_advises_is_distinct(repository: Path) -> None:
    fill(repository, {"main/alice.yaml": MEMBER % "Owner", "main/laptop.yaml": KEY})
    said = impact("main", "HEAD^1")
    command = said.text.rpartition("which this prints: ")[2]
    identity = subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout.strip()
    assert "Give ./main for the path" in said.text
    assert "Viewer -> Member" in impact(identity, "HEAD^1").text
    assert "Owner -> Member" in impact("./main", "HEAD^1").text


def test_the_ids_of_commits_are_never_paths(repository: Path) -> None:
    before, after = git("rev-parse", "HEAD^1"), git("rev-parse", "HEAD")
    fill(repository, {"HEAD": "", "HEAD^1": ""})
    said = impact(before, after)
    assert said.code == 2
    assert UNACKNOWLEDGED in said.text
    fill(repository, {before: ""})
    assert impact(before, after).code == 1


def test_without_git_a_path_is_a_path(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder, role in (("HEAD", "Member"), ("main", "Viewer")):
        fill(repository, {f"{folder}/alice.yaml": MEMBER % role, f"{folder}/laptop.yaml": KEY})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert UNACKNOWLEDGED in impact("HEAD", "main").text


@pytest.mark.parametrize("source", ["./no-such", "../no-such", "/no-such"])
def test_a_path_that_is_missing_is_not_looked_up_as_a_revision(repository: Path, source: str) -> None:
    assert impact(source, ".").text == f"{source}: there is no such file or folder"
    assert repository.exists()


def test_a_symbolic_link_is_read_as_kubectl_reads_it(tmp_path: Path) -> None:
    base = fill(tmp_path / "base", {"alice.yaml": MEMBER % "Member", "laptop.yaml": KEY})
    head = fill(tmp_path / "head", {"files/alice": MEMBER % "Viewer", "laptop.yaml": KEY})
    (head / "alice.yaml").symlink_to("files/alice")
    assert UNACKNOWLEDGED in impact(base, head).text


@pytest.mark.parametrize("target", ["../base/alice.yaml", "no-such", "files", "/etc/passwd"])
def test_a_symbolic_link_to_anything_else_is_refused(tmp_path: Path, target: str) -> None:
    base = fill(tmp_path / "base", {"alice.yaml": MEMBER % "Member", "laptop.yaml": KEY})
    head = fill(tmp_path / "head", {"files/notes.txt": "", "laptop.yaml": KEY})
    (head / "alice.yaml").symlink_to(target)
    said = impact(base, head)
    assert said.code == 1
    assert f"alice.yaml is a symbolic link to {target}, which is no file of this tree" in said.text


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    base = fill(tmp_path / "base", {"laptop.yaml": KEY})
    os.mkfifo(fill(tmp_path / "head", {"laptop.yaml": KEY}) / "alice.yaml")
    assert impact(base, tmp_path / "head").text.endswith("alice.yaml isn't a regular file. Remove it.")


@pytest.mark.parametrize("empty", ["base", "head"])
def test_a_tree_without_an_object_is_refused_unless_it_may_be_empty(tmp_path: Path, empty: str) -> None:
    files = {"alice.yaml": MEMBER % "Member", "laptop.yaml": KEY}
    fill(tmp_path / "base", files)
    fill(tmp_path / "head", files)
    fill(tmp_path / "empty", {"notes.yaml": "a: 1"})
    base, head = (tmp_path / ("empty" if tree == empty else tree) for tree in ("base", "head"))
    said = impact(base, head)
    assert said.code == 1
    assert "there is no object of Tenure's. Check the path. If it is meant to be empty, add --allow-empty." in said.text
    assert impact(base, head, "--allow-empty").code == 0
