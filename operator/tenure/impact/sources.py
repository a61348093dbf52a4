"""Read the manifest files of a source: a folder, a file, a Git revision or standard input.

The pull request chooses the names and the content of the files, so a name that could mean two things is an error.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tenure.impact.errors import BadInputError
from tenure.impact.revisions import names_revision, revision_files

STANDARD_INPUT = "-"

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""Names under which Kustomize finds its file in a folder."""

_CHART = "Chart.yaml"
_JSONNET = ".jsonnet"
_SUFFIXES = (".yaml", ".yml", ".json", _JSONNET)


def source_files(source: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of every file that may hold a manifest.

    Raises:
        BadInputError: the source doesn't exist or is ambiguous, or a file can't be read.
    """
    if source == STANDARD_INPUT:
        yield "standard input", sys.stdin.buffer.read()
    elif not _is_path(source):
        yield from revision_files(source, _may_hold_manifests)
    elif Path(source).is_dir():
        yield from _folder_files(Path(source))
    elif Path(source).is_file():
        yield Path(source).name, Path(source).read_bytes()
    else:
        raise BadInputError("there is no such file or folder")


def makes_manifests(name: str) -> bool:
    """Return whether a file is a program for a tool that makes manifests: a Helm chart, or Jsonnet."""
    return PurePosixPath(name).name == _CHART or name.endswith(_JSONNET)


def is_kustomization(name: str) -> bool:
    """Return whether Kustomize reads a file as the list of a folder's resources."""
    return PurePosixPath(name).name in KUSTOMIZATIONS


def _may_hold_manifests(name: str) -> bool:
    return name.endswith(_SUFFIXES) or is_kustomization(name)


def _is_path(source: str) -> bool:
    """Return whether a source is a path and not a Git revision.

    A file that is called like a revision would otherwise switch the check off: an empty file `HEAD`, for example.
    """
    if source in (".", "..") or source.startswith(("/", "./", "../")):
        return True
    if not os.path.lexists(source):
        return False
    if names_revision(source):
        raise BadInputError(
            f"this is both a path and a git revision. Give ./{source} for the path. For the revision, give its id, "
            f"which this prints: git rev-parse --verify --end-of-options '{source}'"
        )
    return True


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    root = folder.resolve()
    for file in sorted(folder.rglob("*")):
        if not _may_hold_manifests(file.name) or (file.is_dir() and not file.is_symlink()):
            continue
        name = str(file.relative_to(folder))
        if file.is_symlink() and not (file.is_file() and file.resolve().is_relative_to(root)):
            raise BadInputError(
                f"{name} is a symbolic link to {file.readlink()}, which is no file of this tree. Replace it."
            )
        if not file.is_file():
            raise BadInputError(f"{name} isn't a regular file. Remove it.")
        yield name, file.read_bytes()
