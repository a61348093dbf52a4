"""Members and keys that come, change and go in a random order, and a witness who looks on."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from types import TracebackType
from typing import Self

from support.api.api import Api, ApiRefusedError
from support.cluster.world import Body, World
from support.objects.manifests import api_key, member, organization, service_account
from support.run.eventually import eventually
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.validity import Verdict, validity
from tenure_dev.controlplane import ControlPlane

PEOPLE = ("alice", "bob", "carol")
ROLES = ("Owner", "Member", "Analyst", "Viewer")


class Churn:
    """Random changes in a namespace, the same for the same seed; the population comes first."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = Random(seed)
        self._made = 0
        self._members: tuple[str, ...] = (*PEOPLE, "deploy")

    def populate(self) -> None:
        """Create the organization, its members, and a few keys."""
        members = [member(name) for name in PEOPLE]
        self._world.create(organization(), *members, service_account("deploy"))
        for _ in range(4):
            self._create_key()

    def steps(self, count: int) -> Iterator[int]:
        """Make so many changes, one for each turn of the caller's loop."""
        for number in range(count):
            self._random.choice(self._changes())()
            yield number

    def run(self, count: int) -> None:
        """Make so many changes, as fast as they can be made."""
        for _ in self.steps(count):
            pass

    def _changes(self) -> list[Callable[[], None]]:
        """The changes to choose from."""
        changes = [self._create_key, self._create_key, self._raise_revision, self._delete_key, self._change_role]
        return [*changes, self._delete_secret]

    def _create_key(self) -> None:
        self._made += 1
        approval = {"forRole": self._random.choice(ROLES)} if self._random.random() < 0.3 else {}
        self._world.create(api_key(f"key-{self._made}", self._random.choice(self._members), **approval))

    def _raise_revision(self) -> None:
        def raise_it(key: Body) -> None:
            self._world.change_key(key["metadata"]["name"], revision=key["spec"].get("revision", 1) + 1)

        self._with_some_key(raise_it)

    def _delete_key(self) -> None:
        self._with_some_key(lambda key: self._world.api.delete("apikeys", key["metadata"]["name"]))

    def _delete_secret(self) -> None:
        self._with_some_key(lambda key: self._world.api.delete("secrets", key["metadata"]["name"]))

    def _change_role(self) -> None:
        self._world.change_role(self._random.choice(PEOPLE), self._random.choice(ROLES))

    def _with_some_key(self, do: Callable[[Body], object]) -> None:
        keys = self._world.api.list("apikeys")
        if not keys:
            return
        try:
            do(self._random.choice(keys))
        except ApiRefusedError as error:
            if error.code != 404:  # The operators were quicker.
                raise


class Witness:
    """Looks at the stored objects over and over, in a thread of its own; a context manager.

    `revived` holds the hashes of tokens that were valid, then weren't, and then were again.
    """

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.looks = 0
        self.valid: set[str] = set()
        self.ended: set[str] = set()
        self.revived: set[str] = set()
        self._api = Api(plane, namespace)
        self._errors: list[Exception] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._api.close()
        if self._errors:
            raise self._errors[0]

    def _run(self) -> None:
        try:
            while not self._done.is_set():
                self._look()
        except Exception as error:  # noqa: BLE001  (raised again in the test's thread)
            self._errors.append(error)

    def _look(self) -> None:
        keys = [ApiKey.from_body(body) for body in self._api.list("apikeys")]
        # Read after the keys, so that a key is never judged by a member who is older than its stamp.
        members = {body["metadata"]["name"]: Membership.from_body(body) for body in self._api.list("memberships")}
        (acme,) = [Organization.from_body(body) for body in self._api.list("organizations")]
        now = datetime.now(UTC)
        verdicts = {key.status.hash or "": validity(key, members.get(key.spec.membership), acme, now) for key in keys}
        valid = {hash_ for hash_, verdict in verdicts.items() if verdict is Verdict.VALID}
        rest = {hash_ for hash_, verdict in verdicts.items() if verdict is Verdict.SUSPENDED}
        self.revived |= valid & self.ended
        self.ended |= self.valid - valid - rest
        self.valid |= valid
        self.looks += 1


def check_settled(world: World, *, within: float = 60.0) -> None:
    """Wait until every key is issued, or waits for another role; its Secret holds its token, and there is no other."""
    eventually(lambda: _is_settled(world), within=within, every=0.2, describe="every key is settled")


def _is_settled(world: World) -> bool:
    keys = {body["metadata"]["name"]: body for body in world.api.list("apikeys")}
    roles = {body["metadata"]["name"]: body["spec"]["role"] for body in world.api.list("memberships")}
    expected = {
        name: "Issued" if body["spec"].get("forRole") in {None, roles[body["spec"]["membership"]]} else "RoleMismatch"
        for name, body in keys.items()
    }
    assert {name: world.reason("apikeys", name) for name in keys} == expected
    issued = {name for name, reason in expected.items() if reason == "Issued"}
    assert {body["metadata"]["name"] for body in world.api.list("secrets")} == issued
    tokens = {name: world.token(name) for name in issued}
    assert {token and world.verdict(token) for token in tokens.values()} <= {"Valid"}
    assert {token and token.hash for token in tokens.values()} == {keys[name]["status"]["hash"] for name in issued}
    return True
