"""Role changes and new keys at the same time: each key is judged by the order in which the two writes were stored.

The resourceVersions that the API server gives to both writes tell that order. Nothing else about the race is known or
needed.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from random import Random

import pytest

from support.api.api import Api
from support.cluster.world import Body, World
from support.objects.manifests import api_key, member, organization
from support.run.eventually import eventually
from support.run.slowness import NEVER, slowness
from support.run.soak import Figure, size
from tenure.domain.resources import ApiKey
from tenure.domain.secret import STAMP_ANNOTATION, stamp_text
from tenure_dev.controlplane import ControlPlane

ROUNDS = size(short=6, soak=20)
MEMBERS = tuple(f"member-{number}" for number in range(10))
LONGEST_HEAD_START = 0.1
"""Seconds; a key is issued in less, so that the change hits it before, during and after its issue."""
ENOUGH = 0.1
"""The part of the races that each order must have won for the test to mean anything."""


@dataclass(frozen=True)
class Race:
    """A role change and a key of the same member, both stored."""

    member: Body
    key: Body

    @property
    def name(self) -> str:
        """The key's name."""
        return str(self.key["metadata"]["name"])

    @property
    def key_is_newer(self) -> bool:
        """Whether the key was stored after the role change."""
        return int(self.key["metadata"]["resourceVersion"]) > int(self.member["metadata"]["resourceVersion"])


class Racers:
    """Two threads for each member, each with a connection of its own."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._pool = ThreadPoolExecutor(2 * len(MEMBERS))
        self._apis = {(name, side): Api(plane, namespace) for name in MEMBERS for side in ("role", "key")}

    def run(self, role: str, number: int, head_starts: dict[str, float]) -> list[Race]:
        """Change everybody's role and give everybody a key; a positive head start is the role change's."""
        start = threading.Barrier(2 * len(MEMBERS))

        def change(name: str) -> Body:
            start.wait()
            time.sleep(max(0.0, -head_starts[name]))
            return self._apis[name, "role"].patch("memberships", name, {"spec": {"role": role}})

        def create(name: str) -> Body:
            start.wait()
            time.sleep(max(0.0, head_starts[name]))
            return self._apis[name, "key"].create("apikeys", api_key(f"{name}-{number}", name))

        changes = [self._pool.submit(change, name) for name in MEMBERS]
        keys = [self._pool.submit(create, name) for name in MEMBERS]
        return [Race(one.result(NEVER), other.result(NEVER)) for one, other in zip(changes, keys, strict=True)]

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown()
        for api in self._apis.values():
            api.close()


@pytest.fixture
def racers(control_plane: ControlPlane, namespace: str) -> Iterator[Racers]:
    racers = Racers(control_plane, namespace)
    yield racers
    racers.close()


@pytest.mark.soak
@pytest.mark.usefixtures("operator")
def test_a_key_belongs_to_the_role_that_was_stored_before_it(world: World, racers: Racers, figure: Figure) -> None:
    world.create(organization(), *(member(name, "Owner") for name in MEMBERS))
    for name in MEMBERS:  # A role that changes before it was first seen, and revokes no key, isn't recorded.
        world.wait_reason(name, "Active", plural="memberships")
    roles, random = cycle(["Member", "Viewer", "Analyst"]), Random(20270222)
    longest = LONGEST_HEAD_START * slowness()
    races: list[Race] = []
    living: dict[str, str] = {}
    for number in range(ROUNDS):
        assert set(living) == {key["metadata"]["name"] for key in world.api.list("apikeys")}, "a key died late"
        head_starts = {name: random.uniform(-longest, longest) for name in MEMBERS}
        ran = racers.run(next(roles), number, head_starts)
        living = judge(world, ran, before=living)
        races += ran

    newer = sum(race.key_is_newer for race in races)
    figure(f"{len(races)} races; in {newer} of them the key was stored after the role change")
    assert ENOUGH <= newer / len(races) <= 1 - ENOUGH


def judge(world: World, races: list[Race], before: dict[str, str]) -> dict[str, str]:
    """Wait until a round is over, check every key, and return the living keys with their members.

    `before` are the keys, with their members, that lived when the round began.
    """
    members = {race.member["metadata"]["name"]: race.member for race in races}
    eventually(lambda: is_settled(world, members), within=30, describe="every key is current or gone")
    living = {key["metadata"]["name"]: key for key in world.api.list("apikeys")}
    for race in races:
        if race.key_is_newer:
            assert race.name in living, f"{race.name} was created after the change"
            assert living[race.name]["metadata"]["uid"] == race.key["metadata"]["uid"]
    for key in living.values():
        assert_current(world, key, members[key["spec"]["membership"]])
    owners = before | {race.name: race.member["metadata"]["name"] for race in races}
    assert recorded(world, members) == set(owners) - set(living) >= set(before)
    return {name: owners[name] for name in living}


def is_settled(world: World, members: dict[str, Body]) -> bool:
    """Whether each key that there is was issued under its member's generation."""
    for key in world.api.list("apikeys"):
        status, generation = key["status"], members[key["spec"]["membership"]]["metadata"]["generation"]
        conditions = {condition["type"]: condition["reason"] for condition in status.get("conditions", [])}
        if conditions != {"Ready": "Issued"} or status["issued"]["membershipGeneration"] != generation:
            return False
    return True


def assert_current(world: World, key: Body, membership: Body) -> None:
    """Check that a key works, and that its Secret was written under the very tenure that its status names."""
    name = key["metadata"]["name"]
    secret, token = world.api.get("secrets", name), world.token(name)
    assert secret is not None
    assert token is not None
    assert world.verdict(token) == "Valid"
    stamp = ApiKey.from_body(key).status.issued
    assert stamp is not None
    assert stamp.role == membership["spec"]["role"]
    assert secret["metadata"]["annotations"][STAMP_ANNOTATION] == stamp_text(stamp)
    assert secret["metadata"]["uid"] == key["status"]["secretUID"]


def recorded(world: World, members: dict[str, Body]) -> set[str]:
    """Return the names of all keys that the round's role changes are recorded to have ended."""
    return {
        key["name"]
        for name, membership in members.items()
        for key in world.wait_role_change(name, membership["metadata"]["generation"])["keys"]
    }
