"""Requests that must be refused, in every way in which an object can be written or removed."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pytest
import requests

from support.api.api import ApiRefusedError
from support.api.client import DRY_RUN, Client, denial_of, refusal
from support.cluster.acme import Acme
from support.cluster.people import OUTSIDER, Person
from tenure.domain.resources import KINDS

Body = dict[str, Any]
Params = Mapping[str, str]

PLURALS = {resource.kind: resource.plural for resource in KINDS}


class Attack(NamedTuple):
    """A request, words of the refusal, and who makes it."""

    ask: Callable[[Client, Params], object]
    says: str
    person: Person = OUTSIDER

    def by(self, person: Person, says: str = "") -> "Attack":
        """The same request by somebody else."""
        return Attack(self.ask, says or self.says, person)


def rows(*tables: Mapping[str, Attack]) -> list[pytest.ParameterSet]:
    """The rows of tables, as parameters that bear their names."""
    return [pytest.param(attack, id=name) for table in tables for name, attack in table.items()]


def check_refused(acme: Acme, attack: Attack) -> None:
    """Assert that a request is refused as an admission webhook refuses, its dry-run too, and changes nothing."""
    before, client = acme.state(), acme.by(attack.person)

    trial = refusal(lambda: attack.ask(client, DRY_RUN))
    error = refusal(lambda: attack.ask(client, {}))

    assert error is not None, "it passed"
    message = denial_of(error)
    assert attack.says in message
    assert trial is not None, "B-46: its dry-run passed"
    assert denial_of(trial) == message
    assert acme.state() == before


def create(body: Body, says: str) -> Attack:
    """A creation."""
    return Attack(lambda client, params: client.create(PLURALS[body["kind"]], body, **params), says)


def patch(plural: str, name: str, change: Body, says: str) -> Attack:
    """A merge patch."""
    return Attack(lambda client, params: client.patch(plural, name, change, **params), says)


def json_patch(plural: str, name: str, operations: Iterable[Body], says: str) -> Attack:
    """A JSON patch."""
    return Attack(lambda client, params: client.json_patch(plural, name, list(operations), **params), says)


def apply(body: Body, says: str) -> Attack:
    """A server-side apply with force."""
    return Attack(lambda client, params: client.apply(PLURALS[body["kind"]], body, **params), says)


def replace(plural: str, name: str, change: Body, says: str) -> Attack:
    """A replacement of the object as it is now; the operator may write its status meanwhile."""

    def ask(client: Client, params: Params) -> object:
        while True:
            body = _stored(client, plural, name)
            changed = {part: {**fields, **change.get(part, {})} for part, fields in body.items() if part in change}
            try:
                return client.replace(plural, {**body, **changed}, **params)
            except ApiRefusedError as error:
                if error.code != requests.codes.conflict:
                    raise

    return Attack(ask, says)


def ways(plural: str, name: str, change: Body, says: str) -> dict[str, Attack]:
    """Every way to change fields of an object's spec or metadata, which aren't maps."""
    operations = [
        {"op": "add", "path": f"/{part}/{field}", "value": value}
        for part, fields in change.items()
        for field, value in fields.items()
    ]

    def applied(client: Client, params: Params) -> object:
        body = _stored(client, plural, name)
        metadata = {"name": name, **change.get("metadata", {})}
        spec = {**body["spec"], **change.get("spec", {})}
        kind = {field: body[field] for field in ("apiVersion", "kind")}
        return client.apply(plural, {**kind, "metadata": metadata, "spec": spec}, **params)

    return {
        "by merge patch": patch(plural, name, change, says),
        "by JSON patch": json_patch(plural, name, operations, says),
        "by server-side apply with force": Attack(applied, says),
        "by replacement": replace(plural, name, change, says),
    }


def delete(plural: str, name: str, says: str, **options: Any) -> Attack:
    """A deletion."""

    def ask(client: Client, params: Params) -> object:
        # With a body, the API server doesn't look at the query.
        dry_run = {"dryRun": [params["dryRun"]]} if params else {}
        return client.delete(plural, name, **{**options, **dry_run})

    return Attack(ask, says)


def delete_all(plural: str, says: str, **selector: str) -> Attack:
    """A deletion of all objects that are selected."""
    return Attack(lambda client, params: client.delete_all(plural, **selector, **params), says)


def create_text(plural: str, text: str, media_type: str, says: str) -> Attack:
    """A creation from a document, whatever fields are given twice or unknown."""
    return Attack(
        lambda client, params: client.send_text(
            "POST", plural, text.encode(), media_type, fieldValidation="Ignore", **params
        ),
        says,
    )


def titled(title: str, attacks: Mapping[str, Attack]) -> dict[str, Attack]:
    """The attacks under a title in front of their names."""
    return {f"{title} {name}": attack for name, attack in attacks.items()}


def as_text(body: Body, **raw: str) -> str:
    """A manifest as JSON, with parts of it given as raw text."""
    text = json.dumps({**body, **{part: f"<{part}>" for part in raw}})
    for part, given in raw.items():
        text = text.replace(f'"<{part}>"', given)
    return text


def _stored(client: Client, plural: str, name: str) -> Body:
    found = client.get(plural, name)
    assert found is not None, f"{plural}/{name} is gone"
    return found
