"""No token that ended works again, and no key passes to another person, whatever people do and whoever is down.

The same property on the pure functions: tests/unit/domain/planning/test_apikeys_lifecycle.py.
"""

from collections.abc import Callable
from random import Random

import pytest

from support.cluster.world import World
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from tenure.domain.tokens import Token

ENDED = {"RoleChanged", "RoleMismatch", "Expired", "MembershipGone", "OrganizationGone", "NotFound"}
KEYS = {"laptop": "alice", "deploy": "ci"}
STEPS = 14
LEFT = ("planted", "laptop")


class Life:
    """Random edits of a person's key and of a service account's, with the operator up or down at each step."""

    def __init__(self, world: World, operator: OperatorProcess, seed: int) -> None:
        self._world, self._operator, self._random = world, operator, Random(seed)
        self._tokens: dict[str, Token] = {}
        """By their hashes, as is what ended."""
        self._ended: set[str] = set()

    def step(self) -> None:
        """Start or stop the operator, or edit something, and look at every token that there ever was."""
        name = self._random.choice(list(KEYS))
        turns = (self._change_role, self._approve, self._approve, self._unapprove, self._turn)
        seldom = (self._rotate, self._suspend, self._recreate)
        do: Callable[[str], None] = self._random.choice([*turns, *turns, *seldom])
        do(name)
        for one in KEYS:
            if (token := self._world.token(one)) is not None:
                self._tokens[token.hash] = token
        for hash_, token in self._tokens.items():
            verdict = self._world.verdict(token)
            assert verdict not in {"Valid", "Suspended"} or hash_ not in self._ended, f"{do.__name__} revived {token}"
            if verdict in ENDED:
                self._ended.add(hash_)

    def _turn(self, _: str) -> None:
        if self._operator.running:
            self._operator.stop()
        else:
            self._operator.start()

    def _change_role(self, name: str) -> None:
        self._world.change_role(KEYS[name], self._random.choice(["Member", "Viewer"]))

    def _approve(self, name: str) -> None:
        self._edit(name, forRole=self._random.choice(["Member", "Viewer"]))

    def _unapprove(self, name: str) -> None:
        """The webhook lets a service account's key lose its approval only with its token."""
        self._edit(name, forRole=None, **({"revision": self._revision(name) + 1} if name == "deploy" else {}))

    def _rotate(self, name: str) -> None:
        self._edit(name, revision=self._revision(name) + 1)

    def _suspend(self, name: str) -> None:
        self._edit(name, suspended=self._random.choice([True, None]))

    def _recreate(self, name: str) -> None:
        if self._world.api.get("apikeys", name) is not None:
            self._world.api.delete("apikeys", name)
        else:
            self._world.create(api_key(name, KEYS[name]))

    def _revision(self, name: str) -> int:
        stored = self._world.api.get("apikeys", name)
        return int(stored["spec"].get("revision", 1)) if stored else 1

    def _edit(self, name: str, **spec: object) -> None:
        if self._world.api.get("apikeys", name) is not None:
            self._world.change_key(name, **spec)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_token_that_ended_never_works_again(world: World, operator: OperatorProcess, seed: int) -> None:
    # A key that Tenure deleted couldn't be edited any more.
    world.create(organization(keys={"onRoleChange": "Revoke"}), member("alice"), service_account("ci"))
    world.create(*(api_key(name, holder) for name, holder in KEYS.items()))
    world.issue(*KEYS)
    life = Life(world, operator, seed)
    for _ in range(STEPS):
        life.step()
    if not operator.running:
        operator.start()


@pytest.mark.usefixtures("operator")
def test_what_a_leaving_member_leaves_isnt_issued_to_the_next_of_the_name(world: World) -> None:
    """Seen: a Viewer's waiting and approved keys became an Owner's."""
    world.create(organization(), member("alice", "Viewer"))
    world.create(api_key("planted", "alice", forRole="Owner"), api_key("laptop", "alice", forRole="Viewer"))
    old = world.issue("laptop")["laptop"]
    world.wait_reason("planted", "RoleMismatch")
    world.api.delete("memberships", "alice")
    for name in LEFT:
        world.wait_reason(name, "MembershipGone")

    subject = {"kind": "User", "name": "next@acme.io"}
    owner = member("alice", "Owner")
    world.create({**owner, "spec": {**owner["spec"], "subject": subject}})
    world.change_key("laptop", forRole="Owner")
    eventually(lambda: all(_needs_approval(world, name) for name in LEFT), describe="both wait for an approval")
    assert [world.token(name) for name in LEFT] == [None, None]

    world.change_key("planted", revision=2)
    assert world.verdict(world.issue("planted")["planted"]) == "Valid"
    assert world.verdict(old) != "Valid"


def _needs_approval(world: World, name: str) -> bool:
    """Whether a key was looked at since the next Membership is there, and tells how it would get the key."""
    message = str(world.key(name)["status"]["conditions"][0]["message"])
    return "To have the key issued for next@acme.io, raise spec.revision." in message
