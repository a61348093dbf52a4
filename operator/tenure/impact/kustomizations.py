"""Check that the kustomizations of a tree only list its files, so that the files are what a cluster gets."""

import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tenure.impact.documents import RENDER
from tenure.impact.errors import BadInputError

_HARMLESS = {"apiVersion", "kind", "metadata", "resources", "configurations", "sortOptions", "buildMetadata"}
"""Fields that change no object. `configurations` only has an effect together with others."""


@dataclass(frozen=True)
class Kustomizations:
    """The kustomizations of a tree: which of them lists which file or folder.

    Attributes:
        files: The file of each folder that has one.
        listed_by: The files of the kustomizations that list a path.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    listed_by: Mapping[str, Collection[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Mapping[str, list[Any]], files: Collection[str]) -> Self:
        """Read kustomizations, of which `documents` has the content by file. `files` are all files of the tree.

        Raises:
            BadInputError: a kustomization does more than list files and folders of the tree.
        """
        folders: dict[str, str] = {}
        for name in sorted(documents):
            other = folders.setdefault(posixpath.dirname(name), name)
            if other != name:
                raise BadInputError(f"{other} and {name} are kustomizations of one folder. Keep one.")
        listed_by: defaultdict[str, set[str]] = defaultdict(set)
        for name, content in documents.items():
            for resource in _resources(name, content):
                path = posixpath.normpath(posixpath.join(posixpath.dirname(name), resource))
                path = "" if path == "." else path
                if path not in files and path not in folders:
                    raise BadInputError(f"{name}: resources: {resource} isn't in this tree. {RENDER}")
                listed_by[path].add(name)
        return cls(folders, listed_by)

    def check(self, files: Iterable[str]) -> None:
        """Check that the kustomizations list these files, if they are in their folders.

        Raises:
            BadInputError: one isn't listed, so it is unclear whether a cluster gets it.
        """
        for name in files:
            self._check(name, self._above(posixpath.dirname(name)))
        for folder, name in self.files.items():
            if folder:
                self._check(folder, self._above(posixpath.dirname(folder)), name)

    def check_same(self, after: Self) -> None:
        """Check that the same kustomizations list each path before and after a change.

        Raises:
            BadInputError: they don't, so a cluster gets or loses objects whose files stay as they are.
        """
        for path in sorted({*self.listed_by, *after.listed_by}):
            before, now = self.listed_by.get(path, ()), after.listed_by.get(path, ())
            if path in self.files and path in after.files and {*before} != {*now}:
                names = ", ".join(sorted({*before} ^ {*now}))
                raise BadInputError(f"{names}: resources: {path or '.'} is listed in only one of the trees. {RENDER}")

    def _above(self, folder: str) -> str | None:
        """Return the kustomization of a folder or of the nearest one above it."""
        while folder not in self.files:
            if not folder:
                return None
            folder = posixpath.dirname(folder)
        return self.files[folder]

    def _check(self, path: str, above: str | None, name: str = "") -> None:
        if above is not None and path not in self.listed_by:
            raise BadInputError(f"{name or path}: the resources of {above} don't list {path}. List it, or remove it.")


def _resources(name: str, documents: list[Any]) -> list[str]:
    """Return the resources that a kustomization lists."""
    content = documents[0] if len(documents) == 1 else None
    if not isinstance(content, Mapping):
        raise BadInputError(f"{name}: a kustomization must be one map. {RENDER}")
    if more := sorted(str(one) for one, value in content.items() if one not in _HARMLESS and value):
        raise BadInputError(f"{name}: {', '.join(more)}: this kustomization does more than list resources. {RENDER}")
    resources = content.get("resources") or []
    if not isinstance(resources, list) or not all(isinstance(one, str) for one in resources):
        raise BadInputError(f"{name}: resources: must be a list of paths. {RENDER}")
    return resources
