"""Read the two trees of manifests that are compared."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tenure.domain.admission.acknowledgement import ANNOTATION, Acknowledgement
from tenure.domain.impact.tree import Address, Body, Identity, Tree, reviewed_body
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.impact.documents import RENDER, check_separators, parse_documents
from tenure.impact.errors import BadInputError
from tenure.impact.kustomizations import Kustomizations
from tenure.impact.objects import find_objects, parse
from tenure.impact.schema import find_flaws
from tenure.impact.sources import STANDARD_INPUT, is_kustomization, makes_manifests, source_files

_FILES = 20_000
"""Number of files whose content is parsed once, although it is in both trees, or in many commits."""

Found = tuple[tuple[type[Resource], Body], ...]


def read_trees(base: str, head: str, namespace: str, *, allow_empty: bool = False) -> tuple[Tree, Tree]:
    """Read the manifests before and after a change, each from a folder, a file, standard input (`-`) or a Git revision.

    `namespace` is the namespace of objects that name none. Only the manifests after the change must meet the rules of
    the schema, so that a change can mend those before it.

    Raises:
        BadInputError: a source doesn't exist, a manifest is invalid, or something isn't recognized.
    """
    if base == head == STANDARD_INPUT:
        raise BadInputError("--base and --head can't both be standard input")
    before = _read_tree(base, namespace, allow_empty=allow_empty, strict=False)
    after = _read_tree(head, namespace, allow_empty=allow_empty, strict=True)
    before.kustomizations.check_same(after.kustomizations)
    _check_schema(head, before.tree, after.tree)
    _check_acknowledgements(head, before.tree, after.tree)
    return before.tree, after.tree


def read_tree(source: str, namespace: str) -> Tree:
    """Read manifests that were valid in the past: the tree may be empty, and may break rules that came later.

    Raises:
        BadInputError: the source doesn't exist, or something isn't recognized.
    """
    return _read_tree(source, namespace, allow_empty=True, strict=False).tree


@dataclass(frozen=True)
class _Read:
    """A tree that was read, and the kustomizations in it."""

    tree: Tree
    kustomizations: Kustomizations


def _read_tree(source: str, namespace: str, *, allow_empty: bool, strict: bool) -> _Read:
    try:
        kustomizations, files = _files(source)
        tree = _tree(files, namespace, strict=strict)
        kustomizations.check(sorted({*tree.files.values()}))
    except BadInputError as error:
        raise BadInputError(f"{source}: {error}") from error
    if not tree.bodies and not allow_empty:
        raise BadInputError(
            f"{source}: there is no object of Tenure's. Check the path. If it is meant to be empty, add --allow-empty."
        )
    return _Read(tree, kustomizations)


def _files(source: str) -> tuple[Kustomizations, list[tuple[str, bytes]]]:
    """Return the kustomizations of a source, and every file with objects of Tenure's."""
    kustomizations: dict[str, list[Any]] = {}
    files: list[tuple[str, bytes]] = []
    names = set()
    for name, content in source_files(source):
        names.add(name)
        if is_kustomization(name):
            kustomizations[name] = parse_documents(name, content, always=True)
        elif makes_manifests(name):
            raise BadInputError(f"{name}: this is a program that makes manifests. {RENDER}")
        elif _found(name, content):
            files.append((name, content))
    return Kustomizations.of(kustomizations, names), files


@lru_cache(maxsize=_FILES)
def _found(name: str, content: bytes) -> Found:
    """Return the objects of Tenure's in a file."""
    try:
        found = tuple(one for document in parse_documents(name, content) for one in find_objects(document))
    except BadInputError as error:
        prefix = "" if str(error).startswith(name) else f"{name}: "
        raise BadInputError(f"{prefix}{error}") from error
    if found:
        check_separators(name, content)
    return found


def _tree(files: list[tuple[str, bytes]], namespace: str, *, strict: bool) -> Tree:
    found: dict[type[Resource], dict[Address, Any]] = {resource: {} for resource in KINDS}
    bodies: dict[Identity, Body] = {}
    places: dict[Identity, str] = {}
    for file, content in files:
        for parsed, body in _parsed(file, content, namespace, strict=strict):
            address = Address(parsed.namespace, parsed.name)
            identity = (parsed.kind, address)
            if identity in places:
                raise BadInputError(f"{file}: {parsed.kind} {address} is also in {places[identity]}")
            found[type(parsed)][address], bodies[identity], places[identity] = parsed, body, file
    return Tree(found[Organization], found[Membership], found[ApiKey], bodies, places)


@lru_cache(maxsize=_FILES)
def _parsed(file: str, content: bytes, namespace: str, *, strict: bool) -> tuple[tuple[Resource, Body], ...]:
    """Return the objects of a file, each with what the rules read of it."""
    try:
        return tuple(
            (parse(resource, body, namespace, strict=strict), reviewed_body(body))
            for resource, body in _found(file, content)
        )
    except BadInputError as error:
        raise BadInputError(f"{file}: {error}") from error


def _check_schema(head: str, before: Tree, after: Tree) -> None:
    """Check every object that the change adds or modifies by the rules of its schema."""
    for resource in KINDS:
        for address in after.of(resource):
            body = after.body_of(resource, address)
            for flaw in find_flaws(resource, body) if body != before.body_of(resource, address) else ():
                raise BadInputError(f"{head}: {after.file_of(resource, address)}: {resource.kind} {address}: {flaw}")


def _check_acknowledgements(head: str, before: Tree, after: Tree) -> None:
    """Check that each new acknowledgement can be read. The text of a former one doesn't matter, because it is spent."""
    for member in after.memberships:
        old, new = (
            tree.body_of(Membership, member).get("metadata", {}).get("annotations", {}).get(ANNOTATION)
            for tree in (before, after)
        )
        if new is None or new == old:
            continue
        try:
            Acknowledgement.parse(new)
        except ValueError as error:
            place = f"{head}: {after.file_of(Membership, member)}: Membership {member}"
            raise BadInputError(f"{place}: metadata.annotations: {error}") from error
