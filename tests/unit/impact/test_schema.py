"""The rules of the schemas, which `tenure impact` evaluates as the API server does."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from celpy.adapter import json_to_cel

from support.objects.foreseen import foreseen
from support.objects.manifests import api_key, member, organization, service_account
from tenure.domain.resources import KINDS, ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import RULES
from tenure.domain.schema import custom_resource_definition
from tenure.impact.schema import evaluate

FULL: Mapping[type[Resource], list[dict[str, Any]]] = {
    Organization: [
        organization(
            allowedEmailDomains=["acme.io"],
            keys={"maxTTL": "8760h", "secretMetadataPrefixes": ["acme.io/"], "maxPerMember": 5},
            roleChanges={"deny": [{"from": "Viewer", "to": "Owner"}]},
            suspendedMembers=[{"name": "bob", "reason": "x"}],
        )
    ],
    Membership: [member("alice", "Owner"), service_account("ci")],
    ApiKey: [
        api_key("laptop", "alice", ttl="1h", expiresAt="2098-01-01T00:00:00Z", revision=2, forRole="Member"),
        api_key("laptop", "alice", secretTemplate={"labels": {"acme.io/a": "b"}, "annotations": {"acme.io/a": "b"}}),
        api_key("laptop", "alice", secretTemplate={"tokenKey": "API_KEY"}),
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_can_be_evaluated(kind: type[Resource]) -> None:
    """A function that the library doesn't have would refuse every object."""
    for body in FULL[kind]:
        assert foreseen(kind, body, body) == []


def rules(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        yield from (rule["rule"] for rule in node.get(RULES, ()))
        for child in node.values():
            yield from rules(child)


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_objects_have_every_field_that_a_rule_is_about(kind: type[Resource]) -> None:
    texts = str(FULL[kind])
    for rule in rules(custom_resource_definition(kind)):
        for field in re.findall(r"\bself\.(?:keys\.)?(\w+)\b(?!\()", rule):
            assert field in ("metadata", "keys") or f"'{field}'" in texts, rule


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        ("self.lowerAscii() == 'Äab'", "ÄaB", True),
        ("size(self) <= 2", "éé", True),
        ("self.matches(r'^[a-z]+$')", "a\n", False),
        ("self.noSuchFunction()", "a", False),
        ("self.no.such.field == 1", "a", False),
    ],
)
def test_a_rule_that_cant_be_evaluated_does_not_hold(rule: str, value: str, holds: bool) -> None:  # noqa: FBT001
    assert evaluate(rule, self=json_to_cel(value)) is holds
