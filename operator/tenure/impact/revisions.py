"""Read the files of a Git revision as they were committed, regardless of the repository's Git attributes.

An attribute can't hide or change a file, as `export-ignore` does with `git archive`.
"""

import posixpath
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tenure.impact.errors import BadInputError

_LINK, _SUBMODULE = b"120000", b"160000"


class _Entry(NamedTuple):
    mode: bytes
    id: bytes


def names_revision(source: str) -> bool:
    """Return whether the repository of the present folder has a revision of this name. Without Git, it has none."""
    try:
        command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", source]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 - a list, no shell
    except (OSError, ValueError):
        return False


def revision_files(revision: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of every file whose name is wanted, below the present folder.

    `revision` is anything that names a tree, such as `main`, or `main:clusters/acme` for a folder of it. A symbolic
    link has the content of the file that it points to.

    Raises:
        BadInputError: the revision doesn't exist, Git isn't installed, a link points out of the tree, or there is a
            submodule, whose files a revision doesn't have.
    """
    # A revision with a colon already names the folder.
    scope = ["--full-tree"] if ":" in revision else []
    listing = _git(revision, ["ls-tree", "-r", "-z", *scope, revision])
    entries = dict(map(_entry, filter(None, listing.split(b"\0"))))
    for name, entry in entries.items():
        if entry.mode == _SUBMODULE:
            raise BadInputError(
                f"{name} is a submodule, whose files a revision doesn't have. Check out both revisions with their "
                "submodules, and give the two folders."
            )
    wanted = {name: entry for name, entry in entries.items() if is_wanted(name)}
    links = {name: entry for name, entry in wanted.items() if entry.mode == _LINK}
    targets = zip(links, _contents(revision, [entry.id for entry in links.values()]), strict=True)
    ids = {name: entry.id for name, entry in wanted.items()}
    ids.update({name: _followed(name, target.decode(errors="replace"), entries) for name, target in targets})
    yield from zip(ids, _contents(revision, list(ids.values())), strict=True)


def _entry(line: bytes) -> tuple[str, _Entry]:
    facts, _, name = line.partition(b"\t")
    mode, _, identity = facts.split()
    return name.decode(errors="replace"), _Entry(mode, identity)


def _followed(name: str, target: str, entries: Mapping[str, _Entry]) -> bytes:
    """Return the id of the file that a link points to."""
    found = entries.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), target)))
    if found is None or found.mode == _LINK:
        raise BadInputError(f"{name} is a symbolic link to {target}, which is no file of this tree. Replace it.")
    return found.id


def _contents(revision: str, ids: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the content of each blob."""
    content = _git(revision, ["cat-file", "--batch"], b"".join(blob + b"\n" for blob in ids)) if ids else b""
    start = 0
    for _ in ids:
        end = content.index(b"\n", start)
        size = int(content[start:end].split()[2])
        yield content[end + 1 : end + 1 + size]
        start = end + size + 2


def _git(revision: str, arguments: Sequence[str], standard_input: bytes = b"") -> bytes:
    if revision.startswith("-"):
        raise BadInputError("this is an option and not a git revision")
    try:
        done = subprocess.run(["git", *arguments], input=standard_input, capture_output=True, check=False)  # noqa: S603, S607 - a list, no shell
    except OSError as error:
        raise BadInputError(f"there is no such folder, and git can't be run: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BadInputError(f"this is neither a folder nor a git revision: {said[-1] if said else 'git failed'}")
    return done.stdout
