"""The history of members, from a Git repository with merges, squashed commits and files that can't be read."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.objects.manifests import api_key, member, organization
from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.impact import trees
from tenure.impact.documents import parse_documents
from tenure.kubectl.formats import ExitCode, OutputFormat
from tenure.kubectl.git import history
from tenure.kubectl.options import HistoryOptions

OLGA, BOT = ("Olga", "olga@acme.io"), ("GitHub", "noreply@github.com")
KEYS = [api_key("laptop", "alice"), api_key("ci-deploy", "alice")]


class Repository:
    """A repository in which each commit has an author and a committer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, author: tuple[str, str] = OLGA, committer: tuple[str, str] = OLGA) -> str:
        """Run git as somebody."""
        names = {"GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1]}
        names |= {"GIT_COMMITTER_NAME": committer[0], "GIT_COMMITTER_EMAIL": committer[1]}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **names}
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=environment, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, subject: str, *bodies: dict[str, Any], **people: tuple[str, str]) -> str:
        """Commit the manifests of alice beside the others, and return the id."""
        for name, documents in {
            "org.yaml": [organization(), member("olga", "Owner"), *KEYS],
            "alice.yaml": bodies,
        }.items():
            (self.folder / name).write_text(yaml.safe_dump_all(documents))
        self.git("add", "--all", **people)
        self.git("commit", "--quiet", "--allow-empty", f"--message={subject}", **people)
        return self.git("rev-parse", "HEAD")

    def history(self, capsys: pytest.CaptureFixture[str], member: str = "", folder: str = "") -> Any:
        """What the command says, as JSON."""
        options = HistoryOptions(
            member=member, repo=str(self.folder / folder), namespace="acme", output=OutputFormat.JSON
        )
        assert history(options) is ExitCode.DONE
        return json.loads(capsys.readouterr().out)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def alice(role: str, acknowledgement: str = "") -> dict[str, Any]:
    body = member("alice", role)
    return (
        {**body, "metadata": {**body["metadata"], "annotations": {ANNOTATION: acknowledgement}}}
        if acknowledgement
        else body
    )


def test_a_merge_names_who_merged_it_and_the_commit_that_acknowledged(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    first = repository.commit("Add alice", alice("Member"))
    repository.git("checkout", "--quiet", "-b", "change")
    repository.commit("Make alice a Viewer", alice("Viewer"), author=("Ann", "ann@acme.io"))
    acknowledged = repository.commit("Acknowledge", alice("Viewer", "Viewer: ci-deploy, laptop"))
    repository.git("checkout", "--quiet", "main")
    repository.commit("Something else", alice("Member"))
    merger = {"author": ("Max", "max@acme.io"), "committer": BOT}
    repository.git("merge", "--quiet", "--no-ff", "--message=Merge 7", "change", **merger)
    merge = repository.git("rev-parse", "HEAD")
    squashed = repository.commit("Remove alice (#8)", author=("Eve", "eve@acme.io"), committer=BOT)

    removed, changed, added, owner = repository.history(capsys)["rows"]
    assert (removed["commit"], removed["by"], removed["fromRole"], removed["toRole"]) == (
        squashed,
        "Eve",
        "Viewer",
        None,
    )
    assert removed["revoked"] == ["ci-deploy", "laptop"]
    assert (changed["commit"], changed["by"]) == (merge, "Max")
    assert (changed["fromRole"], changed["toRole"], changed["revoked"]) == ("Member", "Viewer", ["ci-deploy", "laptop"])
    assert (changed["acknowledgement"], changed["acknowledgedBy"]) == ("Viewer: ci-deploy, laptop", acknowledged)
    assert [(one["member"], one["commit"], one["by"], one["fromRole"]) for one in (added, owner)] == [
        ("alice", first, "Olga", None),
        ("olga", first, "Olga", None),
    ]
    assert [row["member"] for row in repository.history(capsys, "olga")["rows"]] == ["olga"]


def test_a_commit_that_cant_be_read_is_named_and_hides_no_other(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit("Add alice", alice("Member"))
    (repository.folder / "broken.yaml").write_text("apiVersion: tenure.dev/v1alpha1\nrole: {{ .x }}\n")
    broken = repository.commit("Break it", alice("Member"))
    (repository.folder / "broken.yaml").unlink()
    repository.commit("Mend it", alice("Member"))
    repository.commit("Make her Viewer", alice("Viewer"))
    page = repository.history(capsys, "alice")
    assert [(row["fromRole"], row["toRole"]) for row in page["rows"]] == [("Member", "Viewer"), (None, "Member")]
    assert [one.partition(": ")[2].startswith("broken.yaml: ") for one in page["unread"]] == [True, True]
    assert any(one.startswith(broken[:12]) and "is a template" in one for one in page["unread"])


def test_a_file_is_parsed_once_for_all_commits_that_have_it(
    repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def count(name: str, content: bytes, **options: bool) -> list[Any]:
        parsed.append(name)
        return parse_documents(name, content, **options)

    monkeypatch.setattr(trees, "parse_documents", count)
    roles = ("Member", "Viewer", "Analyst", "Member")
    for role in roles:
        repository.commit(f"Make her {role}", alice(role, "Viewer: of-this-test"))
    assert [row["toRole"] for row in repository.history(capsys, "alice")["rows"]] == [*reversed(roles)]
    assert parsed.count("alice.yaml") == len({*roles})


def test_keys_of_members_who_stay_as_they_are_are_left_out(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit("Add both", alice("Member"), member("bob", "Member"), api_key("bob-cli", "bob"))
    repository.commit("Hand over", alice("Viewer"), member("bob", "Member"), api_key("bob-cli", "alice"))
    changed, *_ = repository.history(capsys)["rows"]
    assert (changed["member"], changed["revoked"]) == ("alice", ["ci-deploy", "laptop"])
