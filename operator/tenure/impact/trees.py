"""Read the two trees of manifests that are compared."""

from collections.abc import Iterator
from dataclasses import dataclass
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
        kustomizations, objects = _objects(source)
        tree = _tree(objects, namespace, strict=strict)
        kustomizations.check(sorted({*tree.files.values()}))
    except BadInputError as error:
        raise BadInputError(f"{source}: {error}") from error
    if not tree.bodies and not allow_empty:
        raise BadInputError(
            f"{source}: there is no object of Tenure's. Check the path. If it is meant to be empty, add --allow-empty."
        )
    return _Read(tree, kustomizations)


def _objects(source: str) -> tuple[Kustomizations, list[tuple[str, type[Resource], Body]]]:
    """Return the kustomizations of a source, and every object of Tenure's with its file."""
    kustomizations: dict[str, list[Any]] = {}
    objects: list[tuple[str, type[Resource], Body]] = []
    names = set()
    for name, content in source_files(source):
        names.add(name)
        if is_kustomization(name):
            kustomizations[name] = parse_documents(name, content, always=True)
        elif makes_manifests(name):
            raise BadInputError(f"{name}: this is a program that makes manifests. {RENDER}")
        elif found := list(_found(name, content)):
            check_separators(name, content)
            objects += found
    return Kustomizations.of(kustomizations, names), objects


def _found(name: str, content: bytes) -> Iterator[tuple[str, type[Resource], Body]]:
    try:
        for document in parse_documents(name, content):
            yield from ((name, resource, body) for resource, body in find_objects(document))
    except BadInputError as error:
        prefix = "" if str(error).startswith(name) else f"{name}: "
        raise BadInputError(f"{prefix}{error}") from error


def _tree(objects: list[tuple[str, type[Resource], Body]], namespace: str, *, strict: bool) -> Tree:
    found: dict[type[Resource], dict[Address, Any]] = {resource: {} for resource in KINDS}
    bodies: dict[Identity, Body] = {}
    files: dict[Identity, str] = {}
    for file, resource, body in objects:
        parsed = _parsed(file, resource, body, namespace, strict=strict)
        address = Address(parsed.namespace, parsed.name)
        identity = (resource.kind, address)
        if identity in files:
            raise BadInputError(f"{file}: {resource.kind} {address} is also in {files[identity]}")
        found[resource][address], bodies[identity], files[identity] = parsed, reviewed_body(body), file
    return Tree(found[Organization], found[Membership], found[ApiKey], bodies, files)


def _parsed(file: str, resource: type[Resource], body: Body, namespace: str, *, strict: bool) -> Resource:
    try:
        return parse(resource, body, namespace, strict=strict)
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
