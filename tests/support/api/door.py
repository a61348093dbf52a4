"""The API server's door for one kind: inputs as kubectl sends them, and what a refusal must say and leave alone."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple, Protocol

import pytest

from support.api.api import Api, ApiRefusedError
from support.api.client import fresh_namespace
from support.objects.foreseen import foreseen
from tenure.domain.resources import Resource
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]

ABSENT = object()
"""A field that is left out."""

DELETES_AND_RECREATES = ("is immutable", "immutable field")
"""`kubectl apply --force` and GitOps tools answer these words by deleting the object and creating it again."""

REFUSED = (400, 413, 422)
LONGEST_MESSAGE = 2048

NAME = "must be an object's name of lower-case letters, digits, dashes and dots"
DURATION = "30 days are 720h"
ROLES = 'supported values: "Owner", "Member", "Analyst", "Viewer"'
"""Words of refusals that several kinds share."""

_RFC_1123 = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"

NAMES: Mapping[str, tuple[str, str]] = {
    "64 characters": ("a" * 64, "at most 63 characters"),
    "253 characters": ("a" * 253, "at most 63 characters"),
    "upper case": ("Alice", _RFC_1123),
    "underscore": ("al_ice", _RFC_1123),
    "space": ("al ice", _RFC_1123),
    "newline": ("alice\n", _RFC_1123),
    "dash in front": ("-alice", _RFC_1123),
    "dot at the end": ("alice.", _RFC_1123),
    "slash": ("al/ice", _RFC_1123),
    "umlaut": ("älice", _RFC_1123),
    "empty": ("", "name or generateName is required"),
}
"""Names of objects that every kind refuses, and words of the refusal."""

_JSON_PATCH = "application/json-patch+json"


class Bad(NamedTuple):
    """A change of a good spec that makes it a bad one, the field that the refusal names, and words of it."""

    change: Mapping[str, Any]
    field: str
    says: str


class Change(NamedTuple):
    """A manifest, and a change of its spec that is refused once it is stored."""

    old: Body
    bad: Bad


class Attempt(Protocol):
    """A request that takes query parameters, such as `dryRun`."""

    def __call__(self, **params: str) -> object: ...


class Door(Api):
    """One kind in one namespace, with strict validation of fields.

    What the API server says of each input, `tenure impact` has to foresee.
    """

    def __init__(self, plane: ControlPlane, namespace: str, resource: type[Resource]) -> None:
        super().__init__(plane, namespace)
        self.resource = resource
        self._collection = self._path(resource.plural)

    def apply(self, body: Mapping[str, Any], **params: str) -> Body:
        """Create an object."""
        return self._call("POST", self._collection, json=dict(body), params=_strict(params))

    def apply_text(self, text: bytes, media_type: str, **params: str) -> Body:
        """Create an object from a document."""
        headers = {"Content-Type": media_type}
        return self._call("POST", self._collection, data=text, headers=headers, params=_strict(params))

    def replace(self, body: Mapping[str, Any], **params: str) -> Body:
        """Replace an object, as `kubectl replace` does."""
        path = f"{self._collection}/{body['metadata']['name']}"
        return self._call("PUT", path, json=dict(body), params=_strict(params))

    def change(self, name: str, change: Mapping[str, Any], **params: str) -> Body:
        """Set fields of an object's spec, or remove those that are ABSENT, by a patch."""
        operations = [
            {"op": "remove", "path": f"/spec/{field}"}
            if value is ABSENT
            else {"op": "add", "path": f"/spec/{field}", "value": value}
            for field, value in change.items()
        ]
        headers = {"Content-Type": _JSON_PATCH}
        path = f"{self._collection}/{name}"
        return self._call("PATCH", path, json=operations, headers=headers, params=_strict(params))

    @contextmanager
    def stored(self, body: Body) -> Iterator[Body]:
        """Give an object as stored, for a while."""
        stored = self.apply(body)
        try:
            yield stored
        finally:
            self.delete(self.resource.plural, body["metadata"]["name"])

    def versions(self) -> dict[str, str]:
        """Return the resourceVersion of every object."""
        return {
            body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in self.list(self.resource.plural)
        }

    def refuses(self, attempt: Attempt, field: str, says: str) -> None:
        """Assert that a request is refused in these words, also as a dry-run, and that nothing changes by it."""
        before = self.versions()
        message = _refusal(attempt, dryRun="All")
        assert _refusal(attempt) == message
        assert field in message, message
        assert says in message, message
        assert not [words for words in DELETES_AND_RECREATES if words in message], message
        assert len(message) <= LONGEST_MESSAGE, message
        assert self.versions() == before

    def refuses_spec(self, good: Body, bad: Bad) -> None:
        """Assert that a spec is refused for a new object, and for one that exists with a good spec."""
        body = with_spec(good, bad.change)
        assert foreseen(self.resource, body), "tenure impact doesn't foresee it"
        self.refuses(lambda **params: self.apply(body, **params), bad.field, bad.says)
        self.refuses_change(Change(good, bad))

    def refuses_change(self, case: Change) -> None:
        """Assert that a change of a stored object is refused, both by replacing it and by a patch."""
        bad, name = case.bad, case.old["metadata"]["name"]
        assert foreseen(self.resource, with_spec(case.old, bad.change), case.old), "tenure impact doesn't foresee it"
        with self.stored(case.old) as stored:
            replaced = with_spec(stored, bad.change)
            self.refuses(lambda **params: self.replace(replaced, **params), bad.field, bad.says)
            self.refuses(lambda **params: self.change(name, bad.change, **params), bad.field, bad.says)

    def refuses_name(self, good: Body, name: str, says: str) -> None:
        """Assert that an object can't have this name."""
        body = {**good, "metadata": {"name": name}}
        assert foreseen(self.resource, body), "tenure impact doesn't foresee it"
        self.refuses(lambda **params: self.apply(body, **params), "metadata.name", says)

    def accepts(self, body: Body) -> None:
        """Assert that an object is stored as it is, can be read by Tenure, and that a dry-run stores nothing."""
        assert foreseen(self.resource, body) == []
        self.apply(body, dryRun="All")
        assert self.versions() == {}
        with self.stored(body) as stored:
            assert stored["spec"] == body["spec"]
            self.resource.from_body(stored)


@contextmanager
def door(plane: ControlPlane, resource: type[Resource]) -> Iterator[Door]:
    """Give a namespace for whole tables of inputs; none of them leaves anything behind."""
    with fresh_namespace(plane) as client, closing(Door(plane, client.namespace, resource)) as door:
        yield door


def with_spec(body: Body, change: Mapping[str, Any]) -> Body:
    """The manifest with fields of its spec set, or left out where they are ABSENT."""
    spec = {field: value for field, value in {**body["spec"], **change}.items() if value is not ABSENT}
    return {**body, "spec": spec}


def rows(table: Mapping[str, object]) -> list[pytest.ParameterSet]:
    """The rows of a table, as parameters that bear their names."""
    return [pytest.param(row, id=name) for name, row in table.items()]


def _refusal(attempt: Attempt, **params: str) -> str:
    with pytest.raises(ApiRefusedError) as refused:
        attempt(**params)
    assert refused.value.code in REFUSED, refused.value
    return str(refused.value.body["message"])


def _strict(params: Mapping[str, str]) -> dict[str, str]:
    return {"fieldValidation": "Strict", **params}
