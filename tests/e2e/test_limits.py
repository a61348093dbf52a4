"""The organization's limits hold in the reconciler, for every token to be issued and for none that was issued."""

import pytest

from support.cluster.world import World
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually

YEAR = "8760h"


def limit(world: World, **keys: object) -> None:
    """Change the organization's rules for keys."""
    world.api.patch("organizations", "acme", {"spec": {"keys": keys}})


def message(world: World, name: str) -> str:
    return str(world.key(name)["status"]["conditions"][0]["message"])


def reasons(world: World) -> dict[str, str | None]:
    return {
        body["metadata"]["name"]: world.reason("apikeys", body["metadata"]["name"])
        for body in world.api.list("apikeys")
    }


@pytest.mark.usefixtures("operator")
def test_the_newest_over_the_limit_waits_and_goes_on_when_a_slot_is_free(world: World) -> None:
    world.create(organization(keys={"maxPerMember": 2}), member("alice"))
    world.create(api_key("one", "alice"), api_key("two", "alice"))
    tokens = world.issue("one", "two")
    world.create(api_key("three", "alice"))
    world.wait_reason("three", "QuotaExceeded")
    assert "alice already has 2 keys" in message(world, "three")
    assert "keys.maxPerMember" in message(world, "three")
    assert world.token("three") is None
    (event,) = world.events("QuotaExceeded")
    assert (event["regarding"]["name"], event["type"]) == ("three", "Warning")
    assert event["note"] == message(world, "three")

    world.api.delete("apikeys", "one")
    world.issue("three")
    world.create(api_key("four", "alice"))
    world.wait_reason("four", "QuotaExceeded")

    world.change_key("three", expiresAt="2026-01-01T00:00:00Z")
    world.issue("four")
    assert world.issue("two") == {"two": tokens["two"]}

    world.create(api_key("five", "alice"))
    world.wait_reason("five", "QuotaExceeded")
    limit(world, maxPerMember=3)
    world.issue("five")


def test_of_many_at_once_the_oldest_are_issued(world: World, stopped_operator: OperatorProcess) -> None:
    names = [f"key-{number}" for number in range(9)]
    world.create(organization(keys={"maxPerMember": 4}), member("alice"), *(api_key(name, "alice") for name in names))
    stopped_operator.start()
    eventually(lambda: None not in reasons(world).values(), describe="all keys are looked at")

    in_order = sorted(
        world.api.list("apikeys"), key=lambda key: (key["metadata"]["creationTimestamp"], key["metadata"]["name"])
    )
    wanted = ["Issued"] * 4 + ["QuotaExceeded"] * 5
    assert [reasons(world)[key["metadata"]["name"]] for key in in_order] == wanted
    assert len(world.api.list("secrets")) == 4


@pytest.mark.usefixtures("operator")
def test_each_member_has_a_limit_of_its_own(world: World) -> None:
    world.create(organization(keys={"maxPerMember": 1}), member("alice"), member("bob"), service_account("ci"))
    world.create(api_key("alices", "alice"), api_key("bobs", "bob"), api_key("pipeline", "ci"))
    world.issue("alices", "bobs", "pipeline")

    world.create(api_key("pipeline-2", "ci"))
    world.wait_reason("pipeline-2", "QuotaExceeded")


@pytest.mark.usefixtures("operator")
def test_keys_that_wait_for_approval_take_no_slot(world: World) -> None:
    world.create(organization(keys={"maxPerMember": 1}), member("alice"), api_key("later", "alice", forRole="Viewer"))
    world.wait_reason("later", "RoleMismatch")

    world.create(api_key("now", "alice"))
    world.issue("now")


@pytest.mark.usefixtures("operator")
def test_a_key_must_end_where_the_organization_says_so(world: World) -> None:
    world.create(organization(keys={"requireExpiry": True}), member("alice"), api_key("endless", "alice"))
    world.create(api_key("ttl", "alice", ttl="1h"), api_key("until", "alice", expiresAt="2099-01-01T00:00:00Z"))
    world.issue("ttl", "until")
    world.wait_reason("endless", "PolicyViolation")
    assert "Keys of this organization must expire (keys.requireExpiry)" in message(world, "endless")
    assert world.token("endless") is None

    world.change_key("endless", expiresAt="2099-01-01T00:00:00Z")
    world.issue("endless")


@pytest.mark.usefixtures("operator")
def test_a_key_lives_no_longer_than_the_organization_allows(world: World) -> None:
    world.create(organization(keys={"maxTTL": YEAR}), member("alice"))
    world.create(api_key("longer", "alice", ttl="8761h"), api_key("until", "alice", expiresAt="2099-01-01T00:00:00Z"))
    world.create(api_key("equal", "alice", ttl=YEAR), api_key("equal-too", "alice", ttl="8759h59m60s"))
    world.create(api_key("endless", "alice"))
    world.issue("equal", "equal-too", "endless")
    for name in ("longer", "until"):
        world.wait_reason(name, "PolicyViolation")
        assert "The key would be valid for longer than 8760h, the organization's keys.maxTTL" in message(world, name)
        assert world.token(name) is None

    limit(world, maxTTL="9999h")
    world.issue("longer")
    world.change_key("until", expiresAt="2026-12-31T00:00:00Z")
    world.issue("until")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        pytest.param({"maxPerMember": 1}, "QuotaExceeded", id="maxPerMember"),
        pytest.param({"requireExpiry": True}, "PolicyViolation", id="requireExpiry"),
        pytest.param({"requireExpiry": True, "maxTTL": "1s"}, "PolicyViolation", id="maxTTL"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_a_limit_set_later_keeps_issued_keys_and_holds_for_new_ones(
    world: World, rules: dict[str, object], reason: str
) -> None:
    world.create(organization(), member("alice"), api_key("one", "alice"), api_key("two", "alice"))
    tokens = world.issue("one", "two")

    limit(world, **rules)
    world.create(api_key("three", "alice"))
    world.wait_reason("three", reason)

    assert world.issue("one", "two") == tokens
    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}

    limit(world, **dict.fromkeys(rules))
    world.issue("three")


@pytest.mark.usefixtures("operator")
def test_a_limit_set_later_holds_for_the_next_token_of_a_key(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    token = world.issue("laptop")["laptop"]
    limit(world, requireExpiry=True)

    world.change_key("laptop", revision=2)

    world.wait_reason("laptop", "PolicyViolation")
    world.wait_gone("secrets", "laptop")
    assert world.verdict(token) == "Pending"


@pytest.mark.usefixtures("operator")
def test_a_secret_that_kubernetes_refuses_says_why(world: World) -> None:
    template = {"labels": {"acme.io/team": "not a label!"}}
    world.create(organization(keys={"secretMetadataPrefixes": ["acme.io/"]}), member("alice"))
    world.create(api_key("laptop", "alice", secretTemplate=template))
    world.wait_reason("laptop", "SecretRejected")
    assert "metadata.labels" in message(world, "laptop")
    assert "not a label!" in message(world, "laptop")

    world.change_key("laptop", secretTemplate={"labels": {"acme.io/team": "core"}})

    world.issue("laptop")
    secret = world.api.get("secrets", "laptop")
    assert secret is not None
    assert secret["metadata"]["labels"]["acme.io/team"] == "core"

    world.change_key("laptop", secretTemplate=template, revision=2)
    world.wait_reason("laptop", "SecretRejected")
    world.wait_gone("secrets", "laptop")
