"""Git revisions as trees: what was committed counts, wherever the command runs and whatever the repository says."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenure.impact.errors import BadInputError
from tenure.impact.revisions import revision_files

FILES = {"acme/members/alice.yaml": "alice", "acme/olga.yml": "olga", "other/bob.json": "bob", "notes.txt": "no"}
SUFFIXES = (".yaml", ".yml", ".json")


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Tenure", "-c", "user.email=tenure@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=all")


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    """Give a repository with one commit, as the present folder."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    commit(tmp_path)
    with contextlib.chdir(tmp_path):
        yield tmp_path


def read(revision: str) -> dict[str, str]:
    return {name: content.decode() for name, content in revision_files(revision, lambda name: name.endswith(SUFFIXES))}


@pytest.mark.parametrize(
    ("place", "revision", "names"),
    [
        (".", "main", {"acme/members/alice.yaml", "acme/olga.yml", "other/bob.json"}),
        (".", "HEAD:acme", {"members/alice.yaml", "olga.yml"}),
        (".", "main:acme/members", {"alice.yaml"}),
        ("acme", "main", {"members/alice.yaml", "olga.yml"}),
        ("acme", "main:other", {"bob.json"}),
        ("acme/members", "main:acme", {"members/alice.yaml", "olga.yml"}),
        ("acme", "main:./members", {"alice.yaml"}),
    ],
)
def test_a_revision_is_read_from_here_on_and_a_path_in_it_from_the_top(
    repository: Path, place: str, revision: str, names: set[str]
) -> None:
    with contextlib.chdir(repository / place):
        assert set(read(revision)) == names


def test_what_was_committed_counts_and_not_what_lies_there(repository: Path) -> None:
    (repository / "acme" / "olga.yml").write_text("changed")
    (repository / "acme" / "new.yaml").write_text("new")
    assert read("main")["acme/olga.yml"] == "olga"
    assert "acme/new.yaml" not in read("main")


def test_no_attribute_hides_or_changes_a_file(repository: Path) -> None:
    (repository / ".gitattributes").write_text("acme export-ignore\n*.json export-subst eol=crlf\n")
    (repository / "other" / "bob.json").write_text("$Format:%H$\n")
    commit(repository)
    assert read("HEAD") == {
        "acme/members/alice.yaml": "alice",
        "acme/olga.yml": "olga",
        "other/bob.json": "$Format:%H$\n",
    }


def test_odd_names_and_contents_are_read_as_they_are(repository: Path) -> None:
    odd = {"a b\tc.yaml": "", "ä.yaml": "x\n\ny", "new\nline.yaml": "z" * 100_000}
    for name, text in odd.items():
        (repository / name).write_text(text)
    commit(repository)
    found = read("HEAD")
    assert {name: found.get(name) for name in odd} == odd


def test_a_symbolic_link_is_the_file_that_it_points_to(repository: Path) -> None:
    (repository / "acme" / "linked.yaml").symlink_to("../other/bob.json")
    commit(repository)
    assert read("HEAD")["acme/linked.yaml"] == "bob"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside.yaml", "other", "link.yaml", "no-such.yaml"])
def test_a_symbolic_link_to_anything_else_is_refused(repository: Path, target: str) -> None:
    (repository / "link.yaml").symlink_to(target)
    commit(repository)
    with pytest.raises(BadInputError, match=r"link.yaml is a symbolic link to .*, which is no file of this tree"):
        read("HEAD")


def test_a_submodule_is_refused(repository: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},vendor")
    git(repository, "commit", "--quiet", "--message=submodule")
    with pytest.raises(BadInputError, match="vendor is a submodule"):
        read("HEAD")


@pytest.mark.parametrize("revision", ["no-such", "main:no-such", "HEAD~9", "main:acme/olga.yml", "", "a b"])
def test_no_revision_is_said(repository: Path, revision: str) -> None:
    assert repository.exists()
    with pytest.raises(BadInputError, match="neither a folder nor a git revision"):
        read(revision)


@pytest.mark.parametrize("option", ["--output=/tmp/x", "-h", "--help"])
def test_an_option_is_no_revision(repository: Path, option: str) -> None:
    assert repository.exists()
    with pytest.raises(BadInputError, match="this is an option"):
        read(option)
