"""An organization's rules for keys on a real API server, and what the operator makes of the keys.

Every row of the rules: tests/unit/domain/admission/test_decide_api_key_rules.py.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from support.api.client import Client, denial, fresh_namespace
from support.cluster.world import World
from support.objects import manifests

if TYPE_CHECKING:
    from admission.conftest import Judged

Body = manifests.Body

LONG = 30.0
PAST, FAR = "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"

TOO_LONG = (
    "spec: The key would be valid for longer than 24h, the organization's keys.maxTTL. Set an earlier spec.expiresAt, "
    "or create an ApiKey with a shorter spec.ttl."
)

LIVES: Mapping[str, tuple[Body, Body, str | None]] = {
    "ttl as long as maxTTL": ({"maxTTL": "24h"}, {"ttl": "1440m"}, None),
    "ttl a second longer than maxTTL": ({"maxTTL": "24h"}, {"ttl": "24h1s"}, TOO_LONG),
    "B-30 expiresAt in the past": ({}, {"expiresAt": PAST}, None),
}

TEMPLATES: Mapping[str, tuple[list[str] | None, Body, str | None]] = {
    "no prefix": (None, {"labels": {"acme.io/team": "core"}}, "labels.acme.io/team"),
    "the prefix": (["acme.io/"], {"labels": {"acme.io/team": "core"}, "annotations": {"acme.io/x": "y"}}, None),
    "reserved": (["velero.io/"], {"labels": {"velero.io/x": "y"}}, "labels.velero.io/x"),
}


@pytest.fixture
def client(judged: "Judged") -> Iterator[Client]:
    with fresh_namespace(judged.plane) as client:
        yield client


def set_up(client: Client, **keys: Any) -> World:
    world = World(client)
    world.create(manifests.organization(keys=keys), manifests.member("olga", "Owner"), manifests.member("alice"))
    return world


@pytest.mark.parametrize(("rules", "spec", "says"), LIVES.values(), ids=LIVES)
def test_a_new_key_lives_as_the_organization_allows(client: Client, rules: Body, spec: Body, says: str | None) -> None:
    set_up(client, **rules)
    body = manifests.api_key("laptop", "alice", **spec)
    if says is None:
        client.create("apikeys", body)
        return
    assert denial(lambda: client.create("apikeys", body)) == says
    assert client.get("apikeys", "laptop") is None


def test_a_key_that_exists_may_be_ended_by_an_instant_in_the_past(client: Client) -> None:
    world = set_up(client)
    world.create(manifests.api_key("laptop", "alice"))
    world.issue("laptop", within=LONG)
    client.patch("apikeys", "laptop", {"spec": {"expiresAt": PAST}})
    world.wait_reason("laptop", "Expired", within=LONG)


def test_a_rule_that_came_later_lets_the_keys_of_before_be_changed(client: Client) -> None:
    world = set_up(client)
    world.create(manifests.api_key("laptop", "alice"))
    client.patch(
        "organizations", "acme", {"spec": {"keys": {"requireExpiry": True, "maxTTL": "1h", "maxPerMember": 1}}}
    )
    client.patch("apikeys", "laptop", {"spec": {"suspended": True}})
    client.patch("apikeys", "laptop", {"spec": {"expiresAt": FAR}})


def test_one_key_too_many_is_refused_and_counts_by_member(client: Client) -> None:
    world = set_up(client, maxPerMember=2)
    world.create(manifests.member("bob"), manifests.service_account("ci"))
    world.create(*(manifests.api_key(f"{who}-{n}", who) for who in ("alice", "bob", "ci") for n in range(2)))
    world.issue("alice-0", "alice-1", "bob-0", "ci-1", within=LONG)
    for who in ("alice", "bob", "ci"):
        message = denial(lambda who=who: client.create("apikeys", manifests.api_key("more", who)))  # type: ignore[misc]
        assert message == (
            f"spec.membership: {who} already has 2 keys, the organization's keys.maxPerMember. Delete one of them."
        )
    client.delete("apikeys", "alice-0")
    client.create("apikeys", manifests.api_key("more", "alice"))


def test_a_key_that_ended_takes_no_slot(client: Client) -> None:
    world = set_up(client, maxPerMember=1)
    world.create(manifests.api_key("short", "alice", ttl="1s"))
    world.wait_reason("short", "Expired", within=LONG)
    world.wait_gone("secrets", "short", within=LONG)
    client.create("apikeys", manifests.api_key("next", "alice"))
    world.issue("next", within=LONG)


@pytest.mark.parametrize(("prefixes", "template", "says"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_key_puts_on_its_secret_what_the_organization_allows(
    client: Client, prefixes: list[str] | None, template: Body, says: str | None
) -> None:
    world = set_up(client, **({"secretMetadataPrefixes": prefixes} if prefixes else {}))
    body = manifests.api_key("laptop", "alice", secretTemplate=template)
    if says is None:
        client.create("apikeys", body)
        world.issue("laptop", within=LONG)
        secret = client.get("secrets", "laptop")
        assert secret is not None
        for place, names in template.items():
            assert names.items() <= secret["metadata"][place].items()
        return
    allowed = f"names that start with {prefixes[0]}" if prefixes and "acme" in prefixes[0] else "no names"
    wanted = (
        f"spec.secretTemplate.{says}: the Organization allows {allowed} (spec.keys.secretMetadataPrefixes). "
        "Remove the other labels and annotations."
    )
    assert denial(lambda: client.create("apikeys", body)) == wanted
    client.create("apikeys", manifests.api_key("laptop", "alice"))
    assert denial(lambda: client.patch("apikeys", "laptop", {"spec": {"secretTemplate": template}})) == wanted


def test_all_that_is_wrong_with_a_key_is_said_at_once(client: Client) -> None:
    world = set_up(client, maxPerMember=1, requireExpiry=True, secretMetadataPrefixes=["acme.io/"])
    world.create(manifests.api_key("laptop", "alice", ttl="1h"))
    world.issue("laptop", within=LONG)
    body = manifests.api_key("more", "alice", secretTemplate={"labels": {"team": "core"}})
    lines = denial(lambda: client.create("apikeys", body)).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["spec.secretTemplate.labels.team", "spec", "spec.membership"]
