"""Read manifests from a folder, a git revision or standard input."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tenure.domain.admission.acknowledgement import ANNOTATION, Acknowledgement
from tenure.domain.admission.impact import Address, Tree
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import API_VERSION, format_time
from tenure.domain.schema import unknown_fields
from tenure.errors import TenureError

STANDARD_INPUT = "-"

_SUFFIXES = (".yaml", ".yml", ".json")
_CREATED = format_time(datetime(2000, 1, 1, tzinfo=UTC))
_BY_KIND: Mapping[str, type[Resource]] = {resource.kind: resource for resource in KINDS}


class BadInputError(TenureError):
    """A tree can't be read; the text names the file and the field."""


def read_tree(source: str, namespace: str) -> Tree:
    """Read the manifests of `source`: a folder or file, `-` for standard input, or a git revision.

    `namespace` is where objects belong that name none.

    Raises:
        BadInputError: there is no such source, or a manifest can't be understood.
    """
    return _tree(_documents(_files(source)), namespace)


def _files(source: str) -> Iterator[tuple[str, str]]:
    """Name and text of every file."""
    path = Path(source)
    if source == STANDARD_INPUT:
        yield "standard input", sys.stdin.read()
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in _SUFFIXES and file.is_file():
                yield str(file.relative_to(path)), _text(str(file), file.read_bytes())
    elif path.is_file():
        yield str(path), _text(str(path), path.read_bytes())
    else:
        yield from _revision(source)


def _revision(revision: str) -> Iterator[tuple[str, str]]:
    command = ["git", "archive", "--format=tar", revision, "--", "."]
    try:
        archive = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - a list, no shell
    except OSError as error:
        raise BadInputError(f"{revision}: no such folder, and git can't be run: {error}") from error
    if archive.returncode != 0:
        said = archive.stderr.decode(errors="replace").strip().splitlines()
        raise BadInputError(f"{revision}: neither a folder nor a git revision: {said[-1] if said else 'git failed'}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() and member.name.endswith(_SUFFIXES) else None
            if content is not None:
                yield member.name, _text(member.name, content.read())


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{name}: not UTF-8: {error}") from error


def _documents(files: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object that stands in the files; Lists are taken apart."""
    for name, text in files:
        try:
            documents = list(yaml.load_all(text, Loader=_Loader))
        except yaml.YAMLError as error:
            raise BadInputError(f"{name}: no YAML: {' '.join(str(error).split())}") from error
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
            raise BadInputError(f"{file}: {resource.kind} {address} stands in {files[resource.kind, address]} too")
        objects[resource][address] = parsed
        files[resource.kind, address] = file
        if acknowledgement := _acknowledgement(file, document):
            acknowledgements[address] = acknowledgement
    return Tree(objects[Organization], objects[Membership], objects[ApiKey], acknowledgements, files)


def _parse(file: str, resource: type[Resource], document: Mapping[str, Any], namespace: str) -> Resource:
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    if not metadata.get("name"):
        raise BadInputError(f"{file}: {resource.kind}: metadata.name is missing")
    place = metadata.get("namespace") or namespace
    what = f"{file}: {resource.kind} {place}/{metadata['name']}"
    for field in unknown_fields(resource, document):
        raise BadInputError(f"{what}: {field}: no such field")
    kept = {
        **metadata,
        "namespace": place,
        "uid": f"{resource.kind}/{metadata['name']}",
        "resourceVersion": "0",
        "generation": 1,
        "creationTimestamp": _CREATED,
    }
    try:
        return resource.from_body({"metadata": kept, "spec": document.get("spec")})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInputError(f"{what}: {where}: {first['msg']}") from error


def _acknowledgement(file: str, document: Mapping[str, Any]) -> str | None:
    annotations = document["metadata"].get("annotations") or {}
    value = annotations.get(ANNOTATION)
    if value is None:
        return None
    try:
        Acknowledgement.parse(str(value))
    except ValueError as error:
        raise BadInputError(f"{file}: metadata.annotations: {error}") from error
    return str(value)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently take the last; times stay text, as in the API."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
