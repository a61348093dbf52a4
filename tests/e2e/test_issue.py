"""Issuing a key: a Secret and a Ready status, in two writes; late references are normal."""

from itertools import permutations

import pytest

from support.api.audit import Audit
from support.cluster.world import Body, World
from support.objects.manifests import api_key, member, organization
from support.run.eventually import eventually

USER_AGENT = "tenure"

pytestmark = pytest.mark.usefixtures("operator")


def test_a_key_becomes_a_secret(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice", ttl="2160h"))
    token = world.issue("laptop")["laptop"]

    key, secret = world.key("laptop"), world.api.get("secrets", "laptop")
    assert secret is not None
    status = key["status"]
    assert status["keyId"] == token.key_id
    assert status["hash"] == token.hash
    assert status["secretName"] == "laptop"
    assert status["secretUID"] == secret["metadata"]["uid"]
    assert status["subjectKind"] == "User"
    assert status["issued"]["membershipUID"] == world.member("alice")["metadata"]["uid"]
    assert status["issued"]["membershipGeneration"] == 1
    assert status["issued"]["role"] == "Member"
    assert secret["type"] == "tenure.dev/api-key"
    assert set(secret["data"]) == {"token"}
    assert secret["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "tenure",
        "tenure.dev/membership": "alice",
        "tenure.dev/subject-kind": "User",
        "velero.io/exclude-from-backup": "true",
    }
    (owner,) = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("ApiKey", key["metadata"]["uid"], True)
    assert "immutable" not in secret
    assert world.verdict(token) == "Valid"


def test_an_issue_takes_two_writes_and_at_most_one_read(world: World, audit: Audit) -> None:
    world.create(organization(), member("alice"))
    world.wait_reason("alice", "Active", plural="memberships")
    audit.reset()
    world.create(api_key("laptop", "alice"))
    world.issue("laptop")

    def of_key() -> list[tuple[str, str]]:
        return [
            (entry.verb, entry.resource)
            for entry in audit.entries()
            if entry.user_agent.startswith(USER_AGENT)
            and entry.namespace == world.api.namespace
            and entry.verb not in {"list", "watch"}  # Those of a sweep.
            and entry.resource in {"secrets", "apikeys", "apikeys/status", "memberships", "organizations"}
        ]

    # What is answered is in the audit log a moment later.
    eventually(lambda: ("patch", "apikeys/status") in of_key(), describe="the last write is in the audit log")
    assert of_key() == [("get", "memberships"), ("create", "secrets"), ("patch", "apikeys/status")]


def test_keys_of_one_member_share_their_reads(world: World, audit: Audit) -> None:
    world.create(organization())
    names = [f"key-{number}" for number in range(40)]
    world.create(*(api_key(name, "alice") for name in names))
    eventually(lambda: all(world.reason("apikeys", name) for name in names), describe="all keys wait")
    audit.reset()
    world.create(member("alice"))
    world.issue(*names)

    entries = [entry for entry in audit.entries() if entry.namespace == world.api.namespace]
    reads = [entry for entry in entries if entry.verb == "get" and entry.resource == "memberships"]
    writes = [entry for entry in entries if entry.resource in {"secrets", "apikeys/status"} and entry.is_write]
    assert len(writes) == 2 * len(names)
    assert len([entry for entry in reads if entry.user_agent.startswith(USER_AGENT)]) <= len(names) / 4


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(order, id=" ".join(body["kind"] for body in order))
        for order in permutations([organization(), member("alice"), api_key("laptop", "alice")])
    ],
)
def test_any_order_of_application_converges(world: World, order: tuple[Body, ...]) -> None:
    world.create(*order)
    assert world.verdict(world.issue("laptop")["laptop"]) == "Valid"


def test_a_key_waits_for_what_is_missing_and_goes_on_when_it_arrives(world: World) -> None:
    world.create(api_key("laptop", "alice"))
    key = world.wait_reason("laptop", "MembershipNotFound")
    assert "Membership alice" in key["status"]["conditions"][0]["message"]
    conditions = {condition["type"]: condition["status"] for condition in key["status"]["conditions"]}
    assert conditions == {"Ready": "False", "Stalled": "False"}, "what is missing may still come"

    world.create(member("alice"))
    key = world.wait_reason("laptop", "OrganizationNotFound")
    assert "Organization acme" in key["status"]["conditions"][0]["message"]
    assert world.reason("memberships", "alice") == "OrganizationNotFound"
    assert world.api.get("secrets", "laptop") is None

    world.organization()
    world.issue("laptop")
    world.wait_reason("alice", "Active", plural="memberships")
