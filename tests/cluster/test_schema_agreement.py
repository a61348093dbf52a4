"""The CRDs and the models agree: null means absent in every way of writing, and what the CRDs accept can be read."""

import copy
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from support.api.client import Client, fresh_namespace, refusal
from support.objects.manifests import Body, api_key, member, organization
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure_dev.controlplane import ControlPlane

FULL: Mapping[type[Resource], Body] = {
    Organization: organization(
        displayName="Acme",
        allowedEmailDomains=["acme.io"],
        deletionProtection=True,
        roleChanges={"whenKeysExist": "Deny", "deny": [{"from": "Viewer", "to": "Owner"}]},
        keys={
            "onRoleChange": "Revoke",
            "maxPerMember": 5,
            "requireExpiry": True,
            "maxTTL": "2h",
            "defaultOverlap": "1h",
            "maxOverlap": "24h",
            "rotateWithin": "720h",
            "unusedAfter": "2160h",
            "secretMetadataPrefixes": ["acme.io/"],
        },
        invitations={
            "mode": "RequireAcceptance",
            "expiresAfter": "168h",
            "language": "de",
            "contact": "platform@acme.io",
            "addresses": [{"name": "jdoe", "address": "jane.o'neill@acme.io"}],
        },
        notifications={"roleChanged": True, "keysExpiring": ["168h", "24h"], "keysRevoked": True},
        suspended=True,
        suspendedMembers=[{"name": "alice", "reason": "incident 1"}],
    ),
    Membership: member("alice"),
    ApiKey: api_key(
        "laptop",
        "alice",
        description="infra/deploy",
        capabilities=["clusters", "costs"],
        forRole="Member",
        ttl="2h",
        rotation={"every": "1h", "overlap": "30m", "request": 1},
        expiresAt="2027-01-31T00:00:00Z",
        revision=2,
        suspended=True,
        secretTemplate={"labels": {"acme.io/a": "b"}, "annotations": {"acme.io/a": "b"}, "tokenKey": "API_KEY"},
    ),
}
"""A manifest of each kind with every field."""

Path = tuple[str | int, ...]


def optional_fields(model: type[BaseModel], path: Path = ()) -> Iterator[Path]:
    """Yield the path of every optional field of a model, for the first item of a list."""
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        if not field.is_required():
            yield here
        for part in parts(field.annotation):
            inner = (*here, 0) if "list" in str(field.annotation) else here
            yield from optional_fields(part, inner)


def parts(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation such as `list[DeniedTransition] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from parts(argument)


def with_null(body: Body, path: Path) -> Body:
    """The manifest with null in one field."""
    changed = copy.deepcopy(body)
    place: Any = changed["spec"]
    for step in path[:-1]:
        place = place[step]
    assert path[-1] in place, f"FULL lacks spec.{path}"
    place[path[-1]] = None
    return changed


NULLS = {
    f"{kind.kind} {'.'.join(map(str, path))}": (kind, path)
    for kind in KINDS
    for path in optional_fields(kind.model_fields["spec"].annotation)  # type: ignore[arg-type]
}

DATES = ("2027-01-01", "0001-01-01", "1970-01-01", "9999-12-31", "2028-02-29", "2027-02-29", "2027-1-1")
CLOCKS = ("00:00:00", "23:59:59", "24:00:00", "23:59:60", "00:00:00.5", "00:00:00,5", "00:00:00.123456789", "00:00")
ZONES = (
    "Z",
    "z",
    "",
    "+00:00",
    "-12:00",
    "+14:00",
    "+23:59",
    "+24:00",
    "-24:00",
    "+24:60",
    "-24:59",
    "+25:00",
)
TIMES = [f"{date}{letter}{clock}{zone}" for date, letter, clock, zone in product(DATES, "Tt ", CLOCKS, ZONES)]


@pytest.fixture(scope="module")
def client(control_plane: ControlPlane) -> Iterator[Client]:
    with fresh_namespace(control_plane) as client:
        yield client


def test_every_optional_field_is_tried() -> None:
    assert len(NULLS) >= 20
    assert {kind for kind, _ in NULLS.values()} == {Organization, ApiKey}, "a Membership has no optional field"


@pytest.mark.parametrize(("kind", "path"), [pytest.param(*row, id=name) for name, row in NULLS.items()])
def test_null_means_absent(client: Client, kind: type[Resource], path: Path) -> None:
    body = with_null(FULL[kind], path)
    created = client.create(kind.plural, body, dryRun="All", fieldValidation="Strict")
    applied = client.apply(kind.plural, body, dryRun="All", fieldValidation="Strict")
    assert read(kind, created) == read(kind, applied) == read(kind, {**created, **body})
    place: Any = read(kind, applied)
    for step in path:
        place = place[step]
    assert place is None


def read(kind: type[Resource], stored: Body) -> Any:
    """Return the spec as Tenure reads it."""
    metadata = {**stored["metadata"], "resourceVersion": "1", "uid": "1", "namespace": "acme"}
    metadata.setdefault("creationTimestamp", "2027-01-01T00:00:00Z")
    return kind.from_body({**stored, "metadata": metadata}).model_dump(by_alias=True)["spec"]


def test_every_time_that_the_crd_accepts_can_be_read(client: Client) -> None:
    accepted = []
    for text in TIMES:
        body = api_key("laptop", "alice", expiresAt=text)
        if refusal(lambda body=body: client.create("apikeys", body, dryRun="All")) is None:  # type: ignore[misc]
            accepted.append(text)
            assert read(ApiKey, {**body, "metadata": {"name": "laptop"}})["expiresAt"] is not None, text
    assert {"2027-01-01T00:00:00Z", "2027-01-01T00:00:00+24:00"} <= set(accepted)
    assert len(accepted) < len(TIMES)
