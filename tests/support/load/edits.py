"""Everything that people do to members and keys, in a random order, and what must hold whatever they did."""

import base64
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from support.cluster.rest import stalls_soon
from support.cluster.world import Body, World
from support.load.churn import PEOPLE, ROLES, Churn
from support.objects.manifests import member
from support.run.eventually import eventually
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict, validity
from tenure.errors import MalformedTokenError

GUEST = "dave"
"""Who is removed, and comes back as somebody else."""

MOST_KEYS = 40
PAST = "2026-01-01T00:00:00Z"


class Edits(Churn):
    """Random edits of all kinds, the same for the same seed, and a book of the keys that nobody ended.

    `kept` holds the names of keys that nothing that was done may delete; `deleted` those that somebody deleted.
    """

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(world, seed)
        self._members = (*PEOPLE, "deploy", GUEST)
        self.kept: set[str] = set()
        self.deleted: set[str] = set()

    def populate(self) -> None:
        """Create the organization, its members, a guest, and a few keys."""
        super().populate()
        self._world.create(member(GUEST))
        self._note_new_keys()

    def burst(self) -> int:
        """Make some edits, and return how many."""
        count = self._random.randint(5, 30)
        self.run(count)
        return count

    def lift_suspensions(self) -> None:
        """Let everybody's keys work again, so that there are some."""
        self._world.api.patch("organizations", "acme", {"spec": {"suspended": False, "suspendedMembers": []}})

    def _changes(self) -> list[Callable[[], None]]:
        if len(self._world.api.list("apikeys")) >= MOST_KEYS:
            return [self._delete_key]
        people = [self._change_role_and_back, self._replace_guest, self._suspend_member, self._suspend_organization]
        keys = [self._suspend_key, self._suspend_key, self._approve, self._expire, self._edit_secret]
        return [*super()._changes(), *people, *keys]

    def _create_key(self) -> None:
        super()._create_key()
        self._note_new_keys()

    def _note_new_keys(self) -> None:
        """A guest's keys are nobody's any more once the guest was removed, so nothing is said of them."""
        known = self.kept | self.deleted
        for body in self._world.api.list("apikeys"):
            if body["metadata"]["name"] == f"key-{self._made}" and body["spec"]["membership"] != GUEST:
                self.kept |= {body["metadata"]["name"]} - known

    def _delete_key(self) -> None:
        def delete(key: Body) -> None:
            name = key["metadata"]["name"]
            self.kept.discard(name)
            self._world.api.delete("apikeys", name)
            self.deleted.add(name)

        self._with_some_key(delete)

    def _change_role(self) -> None:
        self._give_role(self._random.choice(PEOPLE), self._random.choice(ROLES))

    def _change_role_and_back(self) -> None:
        name = self._random.choice(PEOPLE)
        before = self._world.member(name)["spec"]["role"]
        self._give_role(name, self._random.choice([role for role in ROLES if role != before]))
        self._give_role(name, before)

    def _give_role(self, name: str, role: str) -> None:
        keys = [body for body in self._world.api.list("apikeys") if body["spec"]["membership"] == name]
        if self._world.member(name)["spec"]["role"] != role:
            self.kept -= {body["metadata"]["name"] for body in keys if "forRole" not in body["spec"]}
        self._world.change_role(name, role)

    def _replace_guest(self) -> None:
        self._world.api.delete("memberships", GUEST)
        self._world.create(member(GUEST, self._random.choice(ROLES)))

    def _suspend_key(self) -> None:
        def suspend(key: Body) -> None:
            self._world.change_key(key["metadata"]["name"], suspended=not key["spec"].get("suspended"))

        self._with_some_key(suspend)

    def _suspend_member(self) -> None:
        chosen = self._random.choice([*PEOPLE, None])
        suspended = [] if chosen is None else [{"name": chosen, "reason": "on leave"}]
        self._world.api.patch("organizations", "acme", {"spec": {"suspendedMembers": suspended}})

    def _suspend_organization(self) -> None:
        suspended = self._random.random() < 0.3
        self._world.api.patch("organizations", "acme", {"spec": {"suspended": suspended}})

    def _approve(self) -> None:
        """Approve a key that has an approval for another role; one without would become one that goes on."""

        def approve(key: Body) -> None:
            if "forRole" in key["spec"]:
                self._world.change_key(key["metadata"]["name"], forRole=self._random.choice(ROLES))

        self._with_some_key(approve)

    def _expire(self) -> None:
        self._with_some_key(lambda key: self._world.change_key(key["metadata"]["name"], expiresAt=PAST))

    def _edit_secret(self) -> None:
        edit = {"stringData": {"token": "chosen by somebody"}}
        self._with_some_key(lambda key: self._world.api.patch("secrets", key["metadata"]["name"], edit))


class Book:
    """The state of a namespace, read once, and every token that was ever seen in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tokens: set[Token] = set()

    def collect(self) -> dict[str, str]:
        """Read the Secrets, and return the hash of each one's token by name; empty where it holds something else."""
        found = {}
        for body in self._world.api.list("secrets"):
            name = body["metadata"]["name"]
            found[name] = ""
            with suppress(MalformedTokenError):
                token = Token(base64.b64decode(body["data"]["token"]).decode())
                self.tokens.add(token)
                found[name] = token.hash
        return found

    def valid_hashes(self) -> set[str]:
        """The hashes of all tokens that work, as `validity` judges what is stored."""
        state = _State(self._world)
        return {key.status.hash or "" for key in state.keys if state.verdict(key) is Verdict.VALID}

    def wait_settled(self, *, within: float = 60.0) -> None:
        """Wait until each key is as its spec, its member and its organization want it."""
        eventually(self._is_settled, within=within, every=0.2, describe="every key is settled")

    def _is_settled(self) -> bool:
        state, tokens = _State(self._world), self.collect()
        wrong: dict[str, Any] = {}
        for key in state.keys:
            reason, verdict = self._world.reason("apikeys", key.name), state.verdict(key)
            works = reason == "Issued"
            if reason not in state.reasons(key) or works is not (verdict is Verdict.VALID):
                wrong[key.name] = (reason, verdict.value, state.reasons(key))
            elif works and tokens.get(key.name) != key.status.hash:
                wrong[key.name] = "another token in its Secret"
            elif not works and reason != "Suspended" and key.name in tokens:
                wrong[key.name] = f"{reason}, and a Secret"
            elif reason == "RoleChanged" and key.status.secret_uid is not None:
                wrong[key.name] = "revoked, and deleted in a moment"
            elif stalls_soon(key, datetime.now(UTC)):
                wrong[key.name] = f"{reason}, and Stalled in a moment"
        wrong |= dict.fromkeys(tokens.keys() - {key.name for key in state.keys}, "a Secret without a key")
        assert wrong == {}, wrong
        return True


class _State:
    """Keys, members and the organization."""

    def __init__(self, world: World) -> None:
        api = world.api
        self.keys = [ApiKey.from_body(body) for body in api.list("apikeys")]
        # Read after the keys, so that a key is never judged by a member who is older than its stamp.
        self._members = {body["metadata"]["name"]: Membership.from_body(body) for body in api.list("memberships")}
        (self._acme,) = [Organization.from_body(body) for body in api.list("organizations")]
        self._now = datetime.now(UTC)

    def verdict(self, key: ApiKey) -> Verdict:
        return validity(key, self._members.get(key.spec.membership), self._acme, self._now)

    def reasons(self, key: ApiKey) -> set[str]:
        """The reasons that a key may have once everything is at rest."""
        member = self._members[key.spec.membership]
        is_live = self.verdict(key) in {Verdict.VALID, Verdict.SUSPENDED}
        reasons = {
            "RoleMismatch": key.awaits_other_role(member.spec.role) and not is_live,
            "Suspended": bool(key.spec.suspended) or self._acme.suspends(key.spec.membership),
            "Expired": key.spec.expires_at is not None and key.spec.expires_at <= self._now,
            "MembershipGone": key.spec.membership == GUEST,
        }
        applying = {reason for reason, applies in reasons.items() if applies}
        if key.spec.for_role is None and not is_live:
            applying.add("RoleChanged")  # It had no token when the role changed, so there was nothing left to delete.
        return applying | {"Issued"} if applying <= {"MembershipGone", "RoleChanged"} else applying
