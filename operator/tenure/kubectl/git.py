"""`history`: read the changes of members from the commits of a Git repository, by git as a program."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from tenure.domain.impact.tree import Tree
from tenure.errors import TenureError
from tenure.impact.errors import BadInputError
from tenure.impact.trees import read_tree
from tenure.kubectl import text
from tenure.kubectl.formats import ExitCode
from tenure.kubectl.options import HistoryOptions
from tenure.kubectl.output import emit
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.history import Commit, Step, history_page

_FORGES = ("noreply@github.com", "noreply@gitea.com")
"""Committers that stand for the person who clicked on *Merge*."""

_ROLE = r"role[\"']?[ ]*:"
"""What a changed line of a Membership has. Commits without one are left out."""

_PLAIN = ("--no-show-signature", "--no-textconv", "--no-ext-diff")
"""A repository's attributes and your configuration can't change what is read, or run a program."""

_FIELDS = ("%H", "%P", "%cI", "%an", "%cn", "%ce", "%s")


def history(options: HistoryOptions) -> ExitCode:
    """Print the changes of members in a repository."""
    folder = Path(options.repo)
    if not folder.is_dir():
        raise ViewError(f"--repo: there is no folder {options.repo!r}. Give the folder of a Git repository")
    unread: list[str] = []
    with contextlib.chdir(folder):
        page = history_page(_steps(options, unread), options.member)
    page = replace(page, unread=tuple(unread))
    emit(page, options.output, lambda: text.history_text(page), (row.commit for row in page.rows))
    return ExitCode.DONE


def _steps(options: HistoryOptions, unread: list[str]) -> Iterator[Step]:
    """Yield the commits on the main line that may change a role, each with the manifests before and after it."""
    arguments = ["log", "--first-parent", "-m", f"--max-count={options.most}", "-G", _ROLE, *_PLAIN]
    listed = _git(*arguments, f"--format={'%x00'.join(_FIELDS)}", "--", ".")
    for line in dict.fromkeys(filter(None, listed.splitlines())):
        commit, parent, merged = _commit(line)
        try:
            # The commit first: it is the parent of the step before, whose manifests are still there.
            after, before = _tree(commit.id, options.namespace), _tree(parent, options.namespace)
        except BadInputError as error:
            reason = str(error).removeprefix(f"{parent}: ").removeprefix(f"{commit.id}: ")
            unread.append(f"{commit.id[:12]}: {reason}")
            continue

        def find(file: str, value: str, base: str = parent, head: str = merged) -> str:
            return _origin(base, head, file, value)

        yield Step(commit, before, after, find)


def _commit(line: str) -> tuple[Commit, str, str]:
    """Parse a commit, and return it with its first parent and its own id."""
    identity, parents, at, author, committer, email, subject = line.split("\0")
    is_merge = " " in parents
    by = author if is_merge or email in _FORGES else committer
    parent = parents.partition(" ")[0]
    return Commit(identity, datetime.fromisoformat(at), by, subject), parent, identity


@lru_cache(maxsize=2)
def _tree(revision: str, namespace: str) -> Tree:
    """Read the manifests of a commit below the present folder. Before the first commit there are none."""
    return read_tree(revision, namespace) if revision else Tree()


def _origin(base: str, head: str, file: str, value: str) -> str:
    """Return the commit between two that brought a text into a file: the first one that has it."""
    scope = f"{base}..{head}" if base else head
    found = _git("log", "--format=%H", *_PLAIN, f"-S{value}", scope, "--", file).split()
    return found[-1] if found else ""


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)  # noqa: S603, S607 - a list, no shell
    except OSError as error:
        raise GitError(f"git can't be run: {error}. Install it") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(f"{said[-1] if said else 'git failed'}. Give the folder of a Git repository with --repo")
    return done.stdout.decode(errors="replace")


class GitError(TenureError):
    """Git can't tell the history."""
