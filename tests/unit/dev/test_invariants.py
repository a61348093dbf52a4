"""The checks of stored objects: each finds what is wrong, and nothing in what is right."""

import base64
import hashlib
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from tenure_dev.invariants.judge import summary, violations
from tenure_dev.invariants.stored import SECRET_TYPE, Stored

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TOKEN = b"tnr_someid_sometoken"

Body = dict[str, Any]
World = dict[str, list[Body]]


def metadata(name: str, **more: Any) -> Body:
    return {"namespace": "acme", "name": name, "uid": f"uid-{name}", "generation": 2, **more}


def member(name: str, role: str, kind: str = "User") -> Body:
    spec = {"organization": "acme", "subject": {"kind": kind, "name": name}, "role": role}
    return {"metadata": metadata(name), "spec": spec, "status": {"observedGeneration": 2}}


def stamp(member: str = "alice") -> Body:
    return {
        "membership": member,
        "membershipUID": f"uid-{member}",
        "membershipGeneration": 2,
        "organizationUID": "uid-acme",
        "at": "2026-11-30T00:00:00Z",
    }


def right() -> World:
    """One organization with two members, a key with its Secret, and one that waits."""
    issued = {
        "observedGeneration": 2,
        "keyId": "someid",
        "hash": f"sha256:{hashlib.sha256(TOKEN).hexdigest()}",
        "secretName": "ci",
        "secretUID": "uid-secret",
        "issued": stamp(),
        "conditions": [{"type": "Ready", "status": "True", "reason": "Issued"}],
    }
    waiting = {
        "observedGeneration": 2,
        "conditions": [{"type": "Ready", "status": "False", "reason": "RoleMismatch"}],
    }
    owner = {"kind": "ApiKey", "uid": "uid-ci", "controller": True}
    return {
        "organizations": [{"metadata": metadata("acme"), "spec": {}, "status": {"observedGeneration": 2}}],
        "memberships": [
            member("alice", "Member"),
            member("boss", "Owner"),
            member("robot", "Viewer", "ServiceAccount"),
        ],
        "keys": [
            {"metadata": metadata("ci"), "spec": {"membership": "alice"}, "status": issued},
            {"metadata": metadata("waits"), "spec": {"membership": "boss"}, "status": waiting},
        ],
        "secrets": [
            {
                "type": SECRET_TYPE,
                "metadata": {"namespace": "acme", "name": "ci", "uid": "uid-secret", "ownerReferences": [owner]},
                "data": {"token": base64.b64encode(TOKEN).decode()},
            }
        ],
    }


def judge(world: World) -> list[str]:
    """The numbers of the invariants that don't hold, and the objects where they don't."""
    return [f"{found.invariant} {found.where}" for found in violations(Stored(**world, now=NOW))]


def former(**more: Any) -> Body:
    return {"hash": "sha256:former", "issued": stamp(), "endsAt": "2026-12-02T00:00:00Z", **more}


def change_role(world: World) -> None:
    world["memberships"][0]["metadata"]["generation"] = 3
    world["memberships"][0]["status"]["observedGeneration"] = 3


def remove_member(world: World) -> None:
    del world["memberships"][0]


def replace_member(world: World) -> None:
    world["memberships"][0]["metadata"]["uid"] = "another"


def change_robots_role(world: World) -> None:
    """A service account's key outlives role changes."""
    key = world["keys"][0]
    key["spec"]["membership"], key["status"]["issued"] = "robot", stamp("robot")
    world["memberships"][2]["metadata"]["generation"] = world["memberships"][2]["status"]["observedGeneration"] = 3


def change_approved_robots_role(world: World) -> None:
    change_robots_role(world)
    world["keys"][0]["status"]["issued"]["forRole"] = "Viewer"


def replace_organization(world: World) -> None:
    world["organizations"][0]["metadata"]["uid"] = "another"


def keep_former_token(world: World) -> None:
    world["keys"][0]["status"]["previous"] = former()


def keep_expired_former_token(world: World) -> None:
    world["keys"][0]["status"]["previous"] = former(endsAt="2026-11-30T23:00:00Z")


def keep_former_token_of_a_former_role(world: World) -> None:
    world["keys"][0]["status"]["previous"] = former(issued={**stamp(), "membershipGeneration": 1})


def announce_former_role(world: World) -> None:
    world["keys"][0]["status"]["next"] = former(issued={**stamp(), "membershipGeneration": 1})


def lose_secret(world: World) -> None:
    world["secrets"].clear()


def copy_secret(world: World) -> None:
    copy = deepcopy(world["secrets"][0])
    copy["metadata"] |= {"name": "copy", "uid": "uid-copy"}
    world["secrets"].append(copy)


def edit_secret(world: World) -> None:
    world["secrets"][0]["data"]["token"] = base64.b64encode(b"another").decode()


def rename_secret(world: World) -> None:
    world["secrets"][0]["metadata"]["name"] = "other"


def narrow(world: World) -> None:
    status = world["keys"][0]["status"]
    status["hash"] = f"narrowed-{status['hash']}"


def orphan_secret(world: World) -> None:
    del world["keys"][0]


def disown_secret(world: World) -> None:
    del world["secrets"][0]["metadata"]["ownerReferences"]


def leave_secret(world: World) -> None:
    """The token ended, and its Secret is there."""
    world["keys"][0]["status"]["conditions"][0] |= {"status": "False", "reason": "RoleChanged"}
    del world["keys"][0]["status"]["secretUID"]


def add_foreign_secret(world: World) -> None:
    world["secrets"].append({"type": "Opaque", "metadata": {"namespace": "acme", "name": "ci2", "uid": "x"}})


def share_token(world: World) -> None:
    world["keys"][0]["status"]["previous"] = former(hash=world["keys"][0]["status"]["hash"])


def demote_owner(world: World) -> None:
    world["memberships"][1]["spec"]["role"] = "Viewer"


def delete_owner(world: World) -> None:
    world["memberships"][1]["metadata"]["deletionTimestamp"] = "2026-12-01T00:00:00Z"


def edit_key(world: World) -> None:
    world["keys"][1]["metadata"]["generation"] = 3


def forget_status(world: World) -> None:
    world["organizations"][0]["status"] = {}


def expire(world: World) -> None:
    world["keys"][0]["spec"]["expiresAt"] = "2026-11-30T23:00:00Z"


def outlive(world: World) -> None:
    world["keys"][0]["spec"]["ttl"] = "23h30m"


def live_on(world: World) -> None:
    world["keys"][0]["spec"] |= {"ttl": "2160h", "expiresAt": "2027-01-01T00:00:00Z"}


def claim_ready(world: World) -> None:
    world["keys"][1]["status"]["conditions"][0]["status"] = "True"


CI, SECRET = "apikeys/acme/ci", "secrets/acme/ci"

WRONG: dict[Callable[[World], None], list[str]] = {
    change_role: [f"I-1 {CI}"],
    remove_member: [f"I-1 {CI}"],
    replace_member: [f"I-1 {CI}"],
    change_robots_role: [],
    change_approved_robots_role: [f"I-1 {CI}"],
    replace_organization: [f"I-17 {CI}"],
    keep_former_token: [],
    keep_expired_former_token: [f"I-23 {CI}"],
    keep_former_token_of_a_former_role: [f"I-1 {CI}"],
    announce_former_role: [f"I-1 {CI}"],
    lose_secret: [f"I-3 {CI}"],
    copy_secret: [f"I-3 {CI}"],
    edit_secret: [f"I-3 {CI}"],
    rename_secret: [f"I-3 {CI}"],
    narrow: [],
    orphan_secret: [f"I-5 {SECRET}"],
    disown_secret: [f"I-3 {CI}", f"I-5 {SECRET}"],
    leave_secret: [f"I-3 {CI}"],
    add_foreign_secret: [],
    share_token: [f"I-3 {CI}", f"I-3 {CI}"],
    demote_owner: ["I-6 organizations/acme/acme"],
    delete_owner: ["I-6 organizations/acme/acme"],
    edit_key: ["I-22 apikeys/acme/waits"],
    forget_status: ["I-22 organizations/acme/acme"],
    expire: [f"I-23 {CI}"],
    outlive: [f"I-23 {CI}"],
    live_on: [],
    claim_ready: ["I-3 apikeys/acme/waits"],
}


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert judge(right()) == []


@pytest.mark.parametrize("edit", WRONG, ids=lambda edit: edit.__name__)
def test_each_fault_is_found_and_nothing_else(edit: Callable[[World], None]) -> None:
    world = right()
    edit(world)
    found = judge(world)
    assert found == WRONG[edit]
    assert len(summary(list(violations(Stored(**world, now=NOW)))).splitlines()) == len(found)


def test_a_long_summary_counts_the_rest() -> None:
    world = right()
    for number in range(30):
        world["organizations"].append({"metadata": metadata(f"org-{number}"), "spec": {}, "status": {}})
    found = list(violations(Stored(**world, now=NOW)))
    assert len(found) == 60
    assert summary(found).splitlines()[-1] == "… and 40 more"
