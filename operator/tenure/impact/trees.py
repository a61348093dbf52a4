"""Read manifests from a folder, a git revision or standard input."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tenure.domain.admission.acknowledgement import ANNOTATION, Acknowledgement
from tenure.domain.impact.assumptions import LONG_AGO
from tenure.domain.impact.tree import Address, Tree
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import API_VERSION, GROUP, format_time
from tenure.domain.schema import unknown_fields
from tenure.impact.errors import BadInputError
from tenure.impact.revisions import revision_files

STANDARD_INPUT = "-"

_SUFFIXES = (".yaml", ".yml", ".json")
_BY_KIND: Mapping[str, type[Resource]] = {resource.kind: resource for resource in KINDS}


def read_trees(base: str, head: str, namespace: str) -> tuple[Tree, Tree]:
    """Read the manifests before and after a change, each from a folder, a file, standard input (`-`) or a Git revision.

    `namespace` is the namespace of objects that name none.

    Raises:
        BadInputError: a source doesn't exist, or a manifest is invalid.
    """
    if base == head == STANDARD_INPUT:
        raise BadInputError("--base and --head can't both be standard input")
    before, after = _read_tree(base, namespace), _read_tree(head, namespace)
    for member, text in after.acknowledgements.items():
        # An acknowledgement that was there before is spent, so its text doesn't matter.
        if text != before.acknowledgements.get(member):
            _check_acknowledgement(f"{head}: {after.file_of(Membership, member)}: Membership {member}", text)
    return before, after


def _read_tree(source: str, namespace: str) -> Tree:
    try:
        return _tree(_documents(_files(source)), namespace)
    except BadInputError as error:
        raise BadInputError(f"{source}: {error}") from error


def _files(source: str) -> Iterator[tuple[str, str]]:
    """Yield the name and text of every file."""
    path = Path(source)
    if source == STANDARD_INPUT:
        yield "standard input", sys.stdin.read()
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in _SUFFIXES and file.is_file():
                name = str(file.relative_to(path))
                yield name, _text(name, file.read_bytes())
    elif path.is_file():
        yield path.name, _text(path.name, path.read_bytes())
    else:
        yield from ((name, _text(name, content)) for name, content in revision_files(source, _SUFFIXES))


def _text(name: str, content: bytes) -> str:
    if GROUP.encode() not in content:
        return ""  # It has no object of Tenure's. It may be a template, which isn't YAML.
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{name}: the file isn't UTF-8: {error}") from error


def _documents(files: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every object in the files, and every item of a List."""
    for name, text in files:
        try:
            documents = list(yaml.load_all(text, Loader=_Loader))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise BadInputError(f"{name}: invalid YAML: {' '.join(str(error).split())}") from error
        for document in documents:
            if isinstance(document, Mapping):
                items = document.get("items") if document.get("kind") == "List" else [document]
                yield from ((name, item) for item in items or () if isinstance(item, Mapping))


def _tree(documents: Iterable[tuple[str, Mapping[str, Any]]], namespace: str) -> Tree:
    objects: dict[type[Resource], dict[Address, Any]] = {resource: {} for resource in KINDS}
    files: dict[tuple[str, Address], str] = {}
    acknowledgements: dict[Address, str] = {}
    for file, document in documents:
        resource = _BY_KIND.get(str(document.get("kind")))
        if resource is None or document.get("apiVersion") != API_VERSION:
            continue
        parsed = _parse(file, resource, document, namespace)
        address = Address(parsed.namespace, parsed.name)
        if (resource.kind, address) in files:
            raise BadInputError(f"{file}: {resource.kind} {address} is also in {files[resource.kind, address]}")
        objects[resource][address] = parsed
        files[resource.kind, address] = file
        annotations = document["metadata"].get("annotations") or {}
        if resource is Membership and ANNOTATION in annotations:
            acknowledgements[address] = str(annotations[ANNOTATION])
    return Tree(objects[Organization], objects[Membership], objects[ApiKey], acknowledgements, files)


def _parse(file: str, resource: type[Resource], document: Mapping[str, Any], namespace: str) -> Resource:
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    if not metadata.get("name"):
        raise BadInputError(f"{file}: {resource.kind}: metadata.name is missing")
    place = metadata.get("namespace") or namespace
    what = f"{file}: {resource.kind} {place}/{metadata['name']}"
    for field in ("labels", "annotations"):
        if not isinstance(metadata.get(field) or {}, Mapping):
            raise BadInputError(f"{what}: metadata.{field}: must be a map of names and values")
    for field in unknown_fields(resource, document):
        raise BadInputError(f"{what}: {field}: unknown field")
    kept = {
        "name": metadata["name"],
        "namespace": place,
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "uid": f"{resource.kind}/{metadata['name']}",
        "resourceVersion": "0",
        "generation": 1,
        "creationTimestamp": format_time(LONG_AGO),
    }
    try:
        return resource.from_body({"metadata": kept, "spec": document.get("spec")})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInputError(f"{what}: {where}: {first['msg']}") from error


def _check_acknowledgement(place: str, text: str) -> None:
    try:
        Acknowledgement.parse(text)
    except ValueError as error:
        raise BadInputError(f"{place}: metadata.annotations: {error}") from error


class _Loader(yaml.SafeLoader):
    """A YAML loader that rejects duplicate keys, of which YAML would silently take the last.

    Times stay text, as in the Kubernetes API.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
