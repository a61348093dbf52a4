"""What the generated CRDs promise, read off the very bodies that the API server gets."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from pydantic import Field

from support.objects.builders import api_key, issued, membership, organization
from tenure.domain.resources import KINDS, Membership, Resource
from tenure.domain.resources.base import Model, Rule
from tenure.domain.schema import custom_resource_definition, field_paths, object_schema
from tenure_dev.generate.files import changed_files, generated_files

CHECKOUT = Path(__file__).parents[3]

SchemaNode = Mapping[str, Any]


def _schema(resource: type[Resource]) -> SchemaNode:
    (version,) = custom_resource_definition(resource)["spec"]["versions"]
    schema: SchemaNode = version["schema"]["openAPIV3Schema"]
    return schema


def _spec(resource: type[Resource]) -> SchemaNode:
    spec: SchemaNode = _schema(resource)["properties"]["spec"]
    return spec


def _nodes(node: SchemaNode, path: str = "") -> Iterator[tuple[str, SchemaNode]]:
    """Every schema below a schema, with its path; items and values have `[]` behind their path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}".removeprefix("."))
    for part in ("items", "additionalProperties"):
        if isinstance(child := node.get(part), Mapping):
            yield from _nodes(child, f"{path}[]")


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for child in value.values():
                yield from _texts(child)
        case list():
            for child in value:
                yield from _texts(child)


every_kind = pytest.mark.parametrize("resource", KINDS, ids=lambda resource: resource.kind)


def test_a_membership_has_these_three_fields_for_good() -> None:
    assert set(_spec(Membership)["properties"]) == {"organization", "subject", "role"}
    assert set(_spec(Membership)["required"]) == {"organization", "subject", "role"}
    assert field_paths(_spec(Membership)) == {"organization", "subject", "subject.kind", "subject.name", "role"}


def test_only_the_role_of_a_membership_changes() -> None:
    rules = {rule["rule"]: rule for rule in _spec(Membership)["x-kubernetes-validations"]}
    assert {"self.organization == oldSelf.organization", "self.subject == oldSelf.subject"} <= rules.keys()
    assert all("oldSelf.role" not in expression for expression in rules)


@every_kind
def test_no_spec_has_a_default(resource: type[Resource]) -> None:
    assert [path for path, node in _nodes(_spec(resource)) if "default" in node] == []


@every_kind
def test_the_only_default_says_that_nothing_was_reconciled_yet(resource: type[Resource]) -> None:
    defaults = {path: node["default"] for path, node in _nodes(_schema(resource)) if "default" in node}
    assert defaults == {"status": {"observedGeneration": -1}}


@every_kind
def test_nothing_says_immutable(resource: type[Resource]) -> None:
    texts = list(_texts(custom_resource_definition(resource)))
    assert len(texts) > 50
    assert [text for text in texts if re.search(r"immutable", text, re.IGNORECASE)] == []


@every_kind
def test_every_rule_names_its_field_and_a_way_out(resource: type[Resource]) -> None:
    rules = [(node, rule) for _, node in _nodes(_schema(resource)) for rule in node.get("x-kubernetes-validations", ())]
    assert rules
    for node, rule in rules:
        # The API server names the field whose own rule it is; a rule about an object names the field itself.
        assert node["type"] != "object" or re.match(r"[a-zA-Z.]+: ", rule["message"]), rule
        assert rule["reason"] in {"FieldValueInvalid", "FieldValueForbidden"}


@every_kind
def test_every_field_is_described_on_one_line(resource: type[Resource]) -> None:
    standard = {"apiVersion", "kind", "metadata"}
    for path, node in _nodes(_schema(resource)):
        if path not in standard and not path.endswith("[]"):
            assert node.get("description", "").strip(), path
            assert "\n" not in node["description"], path


@every_kind
def test_every_column_points_at_a_field_and_is_described(resource: type[Resource]) -> None:
    (version,) = custom_resource_definition(resource)["spec"]["versions"]
    known = {f".{path}" for path in field_paths(_schema(resource))} | {".metadata.creationTimestamp"}
    for column in version["additionalPrinterColumns"]:
        path = re.sub(r"\[\?\(.*\)\]", "", column["jsonPath"])
        assert path in known, column
        assert column["description"]
        assert (column["type"] == "date") == (path == ".metadata.creationTimestamp")


DELEGATION = re.compile(
    r"(namespace|secret|secretname|kind|apiversion|group|resource|url|uri|endpoint|host|address|webhook|.*ref|.*refs"
    r"|.*url|.*namespace|.*kind|secretuid)",
    re.IGNORECASE,
)


@every_kind
def test_no_field_names_a_namespace_a_secret_a_kind_or_a_url(resource: type[Resource]) -> None:
    delegating = {path for path in field_paths(_spec(resource)) if DELEGATION.fullmatch(path.rsplit(".", 1)[-1])}
    allowed = {"Membership": {"subject.kind"}, "Organization": {"invitations.addresses.address"}}  # An e-mail address.
    assert delegating == allowed.get(resource.kind, set())


@every_kind
def test_references_are_plain_names(resource: type[Resource]) -> None:
    for path, node in _nodes(_spec(resource)):
        if path in {"organization", "membership"}:
            assert node["type"] == "string"
            assert node["maxLength"] == 63


@every_kind
def test_whatever_has_no_end_of_its_own_is_bounded(resource: type[Resource]) -> None:
    """CEL's cost is estimated from these bounds, and etcd takes objects of 1.5 MB."""
    for path, node in _nodes(_spec(resource)):
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "string" and "enum" not in node and node.get("format") != "date-time":
            assert "maxLength" in node, path
        if isinstance(node.get("additionalProperties"), Mapping):
            assert "maxProperties" in node, path


@every_kind
def test_a_list_of_a_few_values_is_described_with_them(resource: type[Resource]) -> None:
    """`kubectl explain` shows no values of a list's items."""
    for path, node in _nodes(_spec(resource)):
        for value in node.get("items", {}).get("enum", ()):
            assert value in node["description"].rpartition("one of ")[2], path


@every_kind
def test_the_schema_is_structural(resource: type[Resource]) -> None:
    for path, node in _nodes(_schema(resource)):
        assert "type" in node, path
        assert node.keys().isdisjoint({"$ref", "$defs", "anyOf", "allOf", "oneOf", "title", "propertyNames"}), path


@every_kind
def test_list_maps_are_keyed_by_required_fields(resource: type[Resource]) -> None:
    for path, node in _nodes(_schema(resource)):
        if node.get("x-kubernetes-list-type") == "map":
            assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"]), path


def test_names_in_the_api() -> None:
    names = {
        resource.kind: custom_resource_definition(resource)["spec"]["names"]["shortNames"][0] for resource in KINDS
    }
    assert names == {"Organization": "org", "Membership": "mbr", "ApiKey": "ak"}
    selectable = {
        field["jsonPath"]
        for resource in KINDS
        for version in custom_resource_definition(resource)["spec"]["versions"]
        for field in version.get("selectableFields", ())
    }
    assert selectable == {
        ".spec.membership",
        ".spec.subject.name",
        ".spec.role",
        ".status.keyId",
        ".status.subjectKind",
        ".status.issued.membership",
        ".status.previous.issued.membership",
    }


def test_the_files_in_the_checkout_are_the_generated_ones() -> None:
    files = generated_files()
    assert {path.as_posix() for path in files} >= {f"crds/{resource.plural}.yaml" for resource in KINDS}
    assert changed_files(CHECKOUT, files) == []
    for path, text in files.items():
        assert (CHECKOUT / path).read_text(encoding="utf-8") == text, f"{path}: run `make generate`"


def test_a_generated_file_reads_back_as_the_crd() -> None:
    for resource in KINDS:
        text = generated_files()[Path("crds", f"{resource.plural}.yaml")]
        assert yaml.safe_load(text) == custom_resource_definition(resource)


def test_a_missing_or_changed_file_is_named(tmp_path: Path) -> None:
    files = generated_files()
    assert changed_files(tmp_path, files) == list(files)
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert changed_files(tmp_path, files) == []
    edited = tmp_path / "crds" / "apikeys.yaml"
    edited.write_text(edited.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert changed_files(tmp_path, files) == [Path("crds/apikeys.yaml")]


def test_the_schema_knows_every_field_that_is_written() -> None:
    org, member = organization(keys={"maxTTL": "8760h"}, suspended_members=["bob"]), membership()
    key = issued(api_key(ttl="24h", secret_template={"labels": {"acme.io/a": "b"}}), member, org)
    for resource in (org, member, key):
        dumped = resource.model_dump(by_alias=True, mode="json", include={"spec", "status"}, exclude_none=True)
        unknown = _unknown(dumped, _schema(type(resource)))
        assert unknown == [], resource


def _unknown(value: object, schema: SchemaNode, path: str = "") -> list[str]:
    """Paths that the API server would prune."""
    if isinstance(value, list):
        return [found for item in value for found in _unknown(item, schema["items"], f"{path}[]")]
    if not isinstance(value, Mapping) or "additionalProperties" in schema:
        return []
    known = schema["properties"]
    unknown = [f"{path}.{name}" for name in value if name not in known]
    return unknown + [
        found
        for name, child in value.items()
        if name in known
        for found in _unknown(child, known[name], f"{path}.{name}")
    ]


class _Leaf(Model):
    """A leaf."""

    deep_name: str
    """A text."""


class _Sample(Model):
    """A sample."""

    rules: ClassVar = (Rule("self.count > 0", "count: must be positive"),)

    count: int = Field(default=1, ge=0)
    """A number
    on two lines."""

    leaves: list[_Leaf] | None = None
    """A list."""


def test_a_model_becomes_a_structural_schema() -> None:
    leaf = {"deepName": {"type": "string", "description": "A text."}}
    assert object_schema(_Sample) == {
        "description": "A sample.",
        "type": "object",
        "properties": {
            "count": {"type": "integer", "format": "int64", "minimum": 0, "description": "A number on two lines."},
            "leaves": {
                "type": "array",
                "description": "A list.",
                "items": {"description": "A leaf.", "type": "object", "properties": leaf, "required": ["deepName"]},
            },
        },
        "x-kubernetes-validations": [
            {"rule": "self.count > 0", "message": "count: must be positive", "reason": "FieldValueInvalid"}
        ],
    }
    assert field_paths(object_schema(_Sample)) == {"count", "leaves", "leaves.deepName"}
