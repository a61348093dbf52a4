"""Builds the CustomResourceDefinitions from the models, so that the API server checks what the models say."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from tenure import __version__
from tenure.domain.resources.base import CATEGORY, GROUP, NAME_LENGTH, RULES, VERSION, Resource, Rule

_NOT_STRUCTURAL = {"title", "default", "$defs", "propertyNames"}


def custom_resource_definition(resource: type[Resource]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind as a body for the API server."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{resource.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "tenure", "app.kubernetes.io/part-of": "tenure"},
            "annotations": {f"{GROUP}/version": __version__},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short_name],
                "categories": [CATEGORY],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(resource),
                    **_selectable_fields(resource),
                    "schema": {"openAPIV3Schema": _root_schema(resource)},
                }
            ],
        },
    }


def field_paths(schema: Mapping[str, Any]) -> set[str]:
    """Return the dotted path of every field in an OpenAPI schema, e.g. `spec.subject.name`."""
    return {path for path, _ in _walk(schema, "") if path}


def requirements(schema: Mapping[str, Any]) -> set[str]:
    """Return what a newer schema must still have, one line each: fields, allowed values, and rules about changes."""
    found = {f"the field {path}" for path in field_paths(schema)}
    for path, node in _walk(schema, ""):
        found |= {f"the value {value} of {path}" for value in node.get("enum", ())}
        rules = (rule["rule"] for rule in node.get(RULES, ()))
        found |= {f"the rule '{rule}' of {path}" for rule in rules if "oldSelf" in rule or rule.startswith("self in ")}
    return found


def _walk(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every part of a schema with its dotted path. The items of a list have the path of the list."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from _walk(child, f"{path}.{name}" if path else name)
    if isinstance(items := schema.get("items"), Mapping):
        yield from _walk(items, path)


def unknown_fields(resource: type[Resource], body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the dotted path of every field of an object that its kind doesn't have, e.g. `spec.rolle`."""
    yield from _unknown(_known_schema(resource), body, "")


def object_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural schema of a model.

    References are inlined, descriptions are on one line, and keywords that CRDs don't allow are dropped.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    structural: dict[str, Any] = _structural(schema, schema.get("$defs", {}))
    return structural


def _columns(resource: type[Resource]) -> list[dict[str, Any]]:
    return [
        {
            "name": column.name,
            "type": column.type,
            "jsonPath": column.path,
            "description": column.description,
            **({"priority": 1} if column.wide else {}),
        }
        for column in resource.columns
    ]


def _selectable_fields(resource: type[Resource]) -> dict[str, Any]:
    if not resource.selectable:
        return {}
    return {"selectableFields": [{"jsonPath": path} for path in resource.selectable]}


def _root_schema(resource: type[Resource]) -> dict[str, Any]:
    name_rule = Rule(
        f"size(self.metadata.name) <= {NAME_LENGTH}",
        f"metadata.name: must be at most {NAME_LENGTH} characters, because it becomes a label value",
    )
    spec, status = (_field_schema(resource, field) for field in ("spec", "status"))
    spec = _with_nulls(spec)
    return {
        "description": resource.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": {**status, "default": {"observedGeneration": -1}},
        },
        RULES: [rule.to_schema() for rule in (name_rule, *resource.rules)],
    }


@cache
def _known_schema(resource: type[Resource]) -> Mapping[str, Any]:
    """Return the schema of a kind from a cache, because there may be thousands of objects."""
    return _root_schema(resource)


def _unknown(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    properties = schema.get("properties")
    if isinstance(value, Mapping) and properties is not None:
        for name, child in value.items():
            if name not in properties:
                yield f"{path}{name}"
            else:
                yield from _unknown(properties[name], child, f"{path}{name}.")
    elif isinstance(value, list) and isinstance(items := schema.get("items"), Mapping):
        for position, item in enumerate(value):
            yield from _unknown(items, item, f"{path.rstrip('.')}[{position}].")


def _field_schema(resource: type[Resource], field: str) -> dict[str, Any]:
    info = resource.model_fields[field]
    model = info.annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"{resource.kind}.{field} must be a model")
    return {**object_schema(model), "description": _one_line(info.description or "")}


def _with_nulls(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with every optional field nullable, for which null means the same as leaving it out.

    Without `nullable`, the API server drops null in a create and rejects it in a server-side apply. It never accepts
    null for an `enum`, so the allowed values of an optional field become a CEL rule.
    """
    result = dict(schema)
    if isinstance(items := schema.get("items"), Mapping):
        result["items"] = _with_nulls(items)
    if "properties" in schema:
        required = schema.get("required", ())
        children = {name: _with_nulls(child) for name, child in schema["properties"].items()}
        result["properties"] = {
            name: child if name in required else _nullable(child) for name, child in children.items()
        }
    return result


def _nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    result = {**schema, "nullable": True}
    if values := result.pop("enum", None):
        names = ", ".join(values)
        rule = Rule(f"self in {values}", f"must be one of {names}")
        result[RULES] = [*result.get(RULES, ()), rule.to_schema()]
        result["maxLength"] = NAME_LENGTH
        result["description"] = f"{result['description']} One of {names}."
    elif values := result.get("items", {}).get("enum"):
        result["description"] = f"{result['description']} Each is one of {', '.join(values)}."
    return result


def _structural(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Inline references and drop what a structural schema doesn't allow."""
    if isinstance(node, list):
        return [_structural(item, definitions) for item in node]
    if not isinstance(node, Mapping):
        return node
    result: dict[str, Any] = {}
    for key, value in _resolved(node, definitions).items():
        if key == "properties":
            result[key] = {name: _structural(child, definitions) for name, child in value.items()}
        elif key == "description":
            result[key] = _one_line(value)
        elif key not in _NOT_STRUCTURAL:
            result[key] = _structural(value, definitions)
    if RULES in result:
        result.pop("pattern", None)  # The CEL rule checks the same, and its message is readable.
    if result.get("type") == "integer":
        result["format"] = "int64"
    return result


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node with its `$ref` inlined, or its `anyOf` replaced by the alternative that isn't null."""
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _resolved({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    if "anyOf" in node:
        (alternative,) = [option for option in node["anyOf"] if option.get("type") != "null"]
        merged = {**alternative, **{key: value for key, value in node.items() if key != "anyOf"}}
        return _resolved(merged, definitions)
    return node


def _one_line(text: str) -> str:
    return " ".join(text.split())
