"""A key ends at its time, to the second: the queue wakes for it, and nothing polls (sweeps are five minutes apart)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.cluster.world import Body, World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.validity import validity

SOON = timedelta(seconds=3)
FAR = "2099-01-01T00:00:00Z"
PAST = "2026-01-01T00:00:00Z"
SECOND = timedelta(seconds=1)
MUCH_LESS_THAN_A_SWEEP = timedelta(seconds=30)


def soon() -> str:
    """An instant in a few seconds, as a manifest says it."""
    return format_time(datetime.now(UTC) + SOON)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def issue(world: World, **spec: Any) -> Body:
    """Create an organization, a member and a key that ends at some time, and return the key once it is issued."""
    world.create(organization(), member("alice"), api_key("laptop", "alice", **spec), api_key("endless", "alice"))
    world.issue("laptop", "endless")
    return world.key("laptop")


def assert_ended(world: World) -> None:
    """Wait until the key has ended, and check that it ended at its time, with its Secret and nothing else."""
    ends = instant(world.key("laptop")["status"]["expiresAt"])
    key = world.wait_reason("laptop", "Expired", within=30)
    world.wait_gone("secrets", "laptop")
    seen = instant(key["status"]["conditions"][0]["lastTransitionTime"])
    assert ends <= seen < ends + MUCH_LESS_THAN_A_SWEEP
    assert {condition["type"]: condition["reason"] for condition in key["status"]["conditions"]} == {
        "Ready": "Expired",
        "Stalled": "Expired",
    }
    assert not {"secretName", "secretUID"} & set(world.key("laptop")["status"])
    endless = world.token("endless")
    assert endless is not None
    assert world.verdict(endless) == "Valid"


@pytest.mark.usefixtures("operator")
def test_a_key_ends_at_its_expires_at_whatever_its_revision(world: World) -> None:
    at = soon()
    key = issue(world, expiresAt=at)
    assert key["status"]["expiresAt"] == at
    assert_ended(world)

    world.change_key("laptop", revision=2)

    eventually(lambda: world.reason("apikeys", "laptop") == "Expired", describe="the new revision is looked at")
    assert world.token("laptop") is None


@pytest.mark.usefixtures("operator")
def test_each_issue_begins_a_new_ttl(world: World) -> None:
    key = issue(world, ttl="4s")
    first, ended = world.token("laptop"), key["status"]["expiresAt"]
    assert instant(ended) == instant(key["status"]["issued"]["at"]) + timedelta(seconds=4)
    assert_ended(world)

    world.change_key("laptop", revision=2)

    again = world.wait_reason("laptop", "Issued")["status"]
    assert world.token("laptop") not in (None, first)
    assert instant(again["issued"]["at"]) >= instant(ended)
    assert instant(again["expiresAt"]) == instant(again["issued"]["at"]) + timedelta(seconds=4)
    assert_ended(world)


@pytest.mark.parametrize(
    ("spec", "first"),
    [
        pytest.param({"ttl": "1h", "expiresAt": FAR}, "ttl", id="ttl first"),
        pytest.param({"ttl": "99999h99999h", "expiresAt": "2030-06-01T00:00:00Z"}, "expiresAt", id="expiresAt first"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_the_token_works_until_that_second_and_no_longer(world: World, spec: Body, first: str) -> None:
    body = issue(world, **spec)
    end = instant(body["status"]["expiresAt"])
    issued_at = instant(body["status"]["issued"]["at"])
    assert end == (issued_at + timedelta(hours=1) if first == "ttl" else instant(spec["expiresAt"]))

    key, alice = ApiKey.from_body(body), Membership.from_body(world.member("alice"))
    acme = Organization.from_body(world.api.list("organizations")[0])
    assert validity(key, alice, acme, end - SECOND) == "Valid"
    assert validity(key, alice, acme, end) == "Expired"


@pytest.mark.parametrize("spec", [{}, {"expiresAt": FAR, "ttl": "8760h"}], ids=["endless", "far"])
@pytest.mark.usefixtures("operator")
def test_the_end_is_brought_forward(world: World, spec: Body) -> None:
    token = world.token(issue(world, **spec)["metadata"]["name"])

    at = soon()
    world.change_key("laptop", expiresAt=at)

    eventually(lambda: world.key("laptop")["status"].get("expiresAt") == at, describe="the new end is in the status")
    assert token is not None
    assert_ended(world)
    assert world.verdict(token) == "Expired"


@pytest.mark.usefixtures("operator")
def test_the_end_is_brought_into_the_past(world: World) -> None:
    issue(world, expiresAt=FAR)
    token = world.token("laptop")
    assert token is not None

    world.change_key("laptop", expiresAt=PAST)

    assert world.verdict(token) == "Expired"
    world.wait_reason("laptop", "Expired")
    world.wait_gone("secrets", "laptop")


def test_a_key_that_ended_while_the_operator_was_down_goes_at_its_start(
    world: World, operator: OperatorProcess
) -> None:
    issue(world, expiresAt=soon())
    token = world.token("laptop")
    assert token is not None
    operator.stop()
    eventually(lambda: world.verdict(token) == "Expired", within=15, describe="the token is over")
    assert world.token("laptop") == token

    operator.start()

    assert_ended(world)


@pytest.mark.usefixtures("operator")
def test_a_key_that_waits_ends_at_its_time_too(world: World) -> None:
    world.create(organization(keys={"maxPerMember": 1}), member("alice"), api_key("first", "alice"))
    world.issue("first")
    world.create(api_key("laptop", "alice", expiresAt=soon()))

    world.wait_reason("laptop", "Expired", within=30)

    assert world.token("laptop") is None


@pytest.mark.usefixtures("operator")
def test_a_key_that_is_over_before_its_member_arrives_is_never_issued(world: World) -> None:
    world.create(organization(), api_key("laptop", "alice", expiresAt=PAST))
    world.wait_reason("laptop", "MembershipNotFound")

    world.create(member("alice"))

    key = world.wait_reason("laptop", "Expired")
    assert "issued" not in key["status"]
    assert world.token("laptop") is None
