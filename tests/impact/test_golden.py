"""What `tenure impact` says of forty kinds of pull request: as text, Markdown and JSON, from a git repository."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.cases import golden
from support.objects.pull_requests import PULL_REQUESTS, PullRequest, write
from tenure.cli import app

SUFFIXES = {"text": "txt", "markdown": "md", "json": "json"}


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Tenure", "-c", "user.email=tenure@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module", params=PULL_REQUESTS, ids=str)
def repository(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[PullRequest, Path]:
    """Give a pull request, and a repository with its base on main and its head on a branch."""
    given: PullRequest = request.param
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "--quiet", "--initial-branch=main")
    for branch, tree in (("main", given.before), ("change", given.after)):
        git(folder, "checkout", "--quiet", "-B", branch)
        write(folder, tree)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--allow-empty", f"--message={given.title}")
    return given, folder


@pytest.fixture
def pull_request(repository: tuple[PullRequest, Path]) -> Iterator[PullRequest]:
    """Give a pull request, inside of its repository, which no test changes."""
    given, folder = repository
    with contextlib.chdir(folder):
        yield given


def impact(given: PullRequest, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of the command."""
    result = CliRunner().invoke(app, ["impact", "--namespace=acme", *flags(given), *arguments])
    return result.exit_code, result.output


def flags(given: PullRequest) -> list[str]:
    """The options that the command is given."""
    return [*given.options, *(["--allow-empty"] if given.allow_empty else [])]


def test_there_are_at_least_twenty_kinds_each_with_its_own_golden_files() -> None:
    slugs = [one.slug for one in PULL_REQUESTS]
    assert len(slugs) >= 20
    assert len(set(slugs)) == len(slugs)
    there = {file.name for file in (golden.FOLDER / "impact").iterdir()}
    assert there == {f"{slug}.{suffix}" for slug in slugs for suffix in SUFFIXES.values()}


@pytest.mark.parametrize("output", SUFFIXES)
def test_it_says_what_was_found_good(pull_request: PullRequest, output: str) -> None:
    code, text = impact(pull_request, "--base=main", "--head=change", f"--output={output}")
    golden.check(f"impact/{pull_request.slug}.{SUFFIXES[output]}", text)
    assert code == pull_request.code


def test_a_folder_a_revision_and_standard_input_say_the_same(pull_request: PullRequest) -> None:
    revision = impact(pull_request, "--base=main", "--head=change", "--output=json")
    assert impact(pull_request, "--base=main", "--head=.", "--output=json") == revision
    everything = "---\n".join(Path(name).read_text() for name in pull_request.after)
    arguments = ["impact", "--namespace=acme", *flags(pull_request), "--base=main", "--head=-", "--output=json"]
    piped = CliRunner().invoke(app, arguments, input=everything)
    assert (piped.exit_code, without_files(piped.output)) == (revision[0], without_files(revision[1]))


def without_files(output: str) -> object:
    """The JSON without the names of files, of which standard input has one."""
    document = json.loads(output)
    for change in (one for changes in document.values() if isinstance(changes, list) for one in changes):
        change["file"] = ""
        change["leftBehind"] = sorted(change.get("leftBehind", {}))
    return document


def test_the_exit_code_is_zero_where_all_passes_and_nothing_is_said_of_what_stays_as_it_is(
    pull_request: PullRequest,
) -> None:
    code, output = impact(pull_request, "--base=main", "--head=change", "--output=json")
    document = json.loads(output)
    assert (code == 0) == document["passes"]
    changed = {name for name, body in pull_request.head.items() if body != pull_request.before.get(name)}
    members = {change["membership"] for change in document["changes"]}
    bodies = [tree[name] for name in changed for tree in (pull_request.before, pull_request.after) if name in tree]
    assert members == {body["metadata"]["name"] for body in bodies if body["kind"] == "Membership"}
