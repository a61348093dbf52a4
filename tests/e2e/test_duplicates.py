"""Two Memberships for one subject, where no webhook stood in the way: only the oldest has effect, until it goes."""

import pytest

from support.cluster.world import World
from support.objects import manifests
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually

LONG = 30.0


def second(name: str = "alice-2", role: str = "Owner") -> manifests.Body:
    """Another Membership of alice."""
    return {**manifests.member("alice", role), "metadata": {"name": name}}


def create_older(world: World, *bodies: manifests.Body) -> None:
    """Create objects, and wait until whatever is created next is younger: times have whole seconds."""
    made = world.create(*bodies)[-1]["metadata"]["creationTimestamp"]

    def later() -> bool:
        probe = world.api.create("secrets", manifests.secret("probe"), dryRun="All")
        return bool(probe["metadata"]["creationTimestamp"] > made)

    eventually(later, within=LONG, describe="a second has passed")


def set_up(world: World) -> None:
    world.create(manifests.organization(), manifests.member("olga", "Owner"))
    create_older(world, manifests.member("alice", "Viewer"))


def message(world: World, plural: str, name: str) -> str:
    body = world.api.get(plural, name)
    assert body is not None
    ready = next(one for one in body["status"]["conditions"] if one["type"] == "Ready")
    return str(ready["message"])


@pytest.mark.usefixtures("operator")
def test_the_younger_membership_and_its_keys_have_no_effect(world: World) -> None:
    set_up(world)
    world.create(second(), manifests.api_key("first", "alice"), manifests.api_key("second", "alice-2"))

    world.issue("first", within=LONG)
    body = world.wait_reason("alice-2", "DuplicateSubject", plural="memberships", within=LONG)
    world.wait_reason("second", "DuplicateSubject", within=LONG)

    assert {one["type"]: one["status"] for one in body["status"]["conditions"]} == {"Ready": "False", "Stalled": "True"}
    assert message(world, "memberships", "alice-2") == (
        "alice@acme.io is already a member, with the older Membership alice. Delete one of the two."
    )
    assert "with the older Membership alice. Create an ApiKey with spec.membership: alice instead." in message(
        world, "apikeys", "second"
    )
    assert world.token("second") is None
    world.wait_reason("alice", "Active", plural="memberships", within=LONG)


@pytest.mark.usefixtures("operator")
def test_the_younger_goes_on_when_the_older_is_gone(world: World) -> None:
    set_up(world)
    world.create(second(), manifests.api_key("first", "alice"), manifests.api_key("second", "alice-2"))
    token = world.issue("first", within=LONG)["first"]
    world.wait_reason("second", "DuplicateSubject", within=LONG)

    world.api.delete("memberships", "alice")

    world.wait_reason("alice-2", "Active", plural="memberships", within=LONG)
    world.issue("second", within=LONG)
    assert world.key("second")["status"]["issued"]["role"] == "Owner"
    world.wait_reason("first", "MembershipGone", within=LONG)
    assert world.verdict(token) != "Valid"


@pytest.mark.usefixtures("operator")
def test_of_three_the_next_oldest_goes_on(world: World) -> None:
    set_up(world)
    create_older(world, second("alice-2"))
    world.create(second("alice-3", "Member"))
    world.wait_reason("alice-3", "DuplicateSubject", plural="memberships", within=LONG)

    world.api.delete("memberships", "alice")

    world.wait_reason("alice-2", "Active", plural="memberships", within=LONG)
    world.wait_reason("alice-3", "DuplicateSubject", plural="memberships", within=LONG)
    eventually(
        lambda: "the older Membership alice-2" in message(world, "memberships", "alice-3"),
        within=LONG,
        describe="alice-3 waits for alice-2",
    )


def test_an_operator_that_starts_later_decides_the_same(world: World, stopped_operator: OperatorProcess) -> None:
    set_up(world)
    world.create(second(), manifests.api_key("second", "alice-2"), manifests.api_key("first", "alice"))
    stopped_operator.start()
    world.issue("first", within=LONG)
    world.wait_reason("second", "DuplicateSubject", within=LONG)
    world.wait_reason("alice-2", "DuplicateSubject", plural="memberships", within=LONG)


@pytest.mark.usefixtures("operator")
def test_a_service_account_of_the_same_name_is_another_subject(world: World) -> None:
    world.create(manifests.organization(), manifests.service_account("ci"))
    twin = {**manifests.service_account("ci"), "metadata": {"name": "ci-2"}}
    create_older(world, manifests.api_key("pipeline", "ci"))
    world.create(twin)
    world.issue("pipeline", within=LONG)
    world.wait_reason("ci-2", "DuplicateSubject", plural="memberships", within=LONG)


@pytest.mark.usefixtures("operator")
def test_the_younger_membership_counts_for_nothing(world: World) -> None:
    world.create(manifests.organization())
    create_older(world, manifests.member("alice", "Viewer"))
    world.create(second())
    world.wait_reason("alice-2", "DuplicateSubject", plural="memberships", within=LONG)
    world.create(manifests.member("zoe"))

    acme = eventually(lambda: counted(world, 2), within=LONG, describe="alice and zoe are counted, and nobody else")
    assert acme is not None
    assert acme["owners"] == []
    has_owner = next(one for one in acme["conditions"] if one["type"] == "HasOwner")
    assert (has_owner["status"], has_owner["reason"]) == ("False", "AwaitingFirstOwner")


def counted(world: World, total: int) -> manifests.Body | None:
    """The organization's status, once it counts so many members."""
    acme = world.api.get("organizations", "acme")
    found = acme and acme["status"].get("members", {}).get("total") == total and acme["status"]
    return found or None
