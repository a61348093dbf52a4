"""Read the files of a Git revision as they were committed, regardless of the repository's Git attributes.

An attribute can't hide or change a file, as `export-ignore` does with `git archive`.
"""

import subprocess
from collections.abc import Iterator, Sequence

from tenure.impact.errors import BadInputError

_REGULAR = (b"100644", b"100755")


def revision_files(revision: str, suffixes: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of every file with one of the suffixes, below the present folder.

    `revision` is anything that names a tree, such as `main`, or `main:clusters/acme` for a folder of it.

    Raises:
        BadInputError: the revision doesn't exist, or Git isn't installed.
    """
    # A revision with a colon already names the folder.
    scope = ["--full-tree"] if ":" in revision else []
    listing = _git(revision, ["ls-tree", "-r", "-z", *scope, revision])
    entries = [entry.partition(b"\t") for entry in listing.split(b"\0") if entry]
    files = [
        (name.decode(errors="replace"), facts.split()[2])
        for facts, _, name in entries
        if facts.startswith(_REGULAR) and name.endswith(tuple(suffix.encode() for suffix in suffixes))
    ]
    content = _git(revision, ["cat-file", "--batch"], b"".join(blob + b"\n" for _, blob in files))
    for name, _ in files:
        head, _, content = content.partition(b"\n")
        size = int(head.split()[2])
        yield name, content[:size]
        content = content[size + 1 :]


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
