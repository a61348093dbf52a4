"""A namespace with an organization in it, seen as its users see it."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support.api.api import Api, ApiRefusedError
from support.api.client import fresh_namespace
from support.cluster.rest import Stored
from support.objects import manifests
from support.run.eventually import eventually
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import token_views
from tenure_dev.controlplane import ControlPlane

Body = dict[str, Any]
PLURALS = {"Organization": "organizations", "Membership": "memberships", "ApiKey": "apikeys", "Secret": "secrets"}


@dataclass(frozen=True)
class World:
    """What a test does in its namespace, and what it can see there."""

    api: Api

    def create(self, *bodies: Body) -> list[Body]:
        """Create objects in this order and return them as stored."""
        return [self.api.create(PLURALS[body["kind"]], body) for body in bodies]

    def organization(self, **spec: Any) -> Body:
        """Create the organization acme."""
        return self.create(manifests.organization(**spec))[0]

    def key(self, name: str) -> Body:
        """Return an ApiKey that must exist."""
        found = self.api.get("apikeys", name)
        assert found is not None, f"ApiKey {name} is gone"
        return found

    def member(self, name: str) -> Body:
        """Return a Membership that must exist."""
        found = self.api.get("memberships", name)
        assert found is not None, f"Membership {name} is gone"
        return found

    def token(self, name: str) -> Token | None:
        """Return the token in the Secret of a key, or None where there is no Secret."""
        secret = self.api.get("secrets", name)
        return None if secret is None else Token(base64.b64decode(secret["data"]["token"]).decode())

    def change_role(self, name: str, role: str, **metadata: Any) -> Body:
        """Change a member's role, and metadata in the same write, and return the Membership as stored."""
        return self.api.patch("memberships", name, {"metadata": metadata, "spec": {"role": role}})

    def change_key(self, name: str, **spec: Any) -> Body:
        """Change fields of a key's spec."""
        return self.api.patch("apikeys", name, {"spec": spec})

    def reason(self, plural: str, name: str, type_: str = "Ready") -> str | None:
        """Return the reason of a condition that speaks of the present generation; None before there is one."""
        return _reason(self.api.get(plural, name), type_)

    def wait_reason(
        self, name: str, reason: str, *, plural: str = "apikeys", within: float = 10.0, type_: str = "Ready"
    ) -> Body:
        """Wait until a condition of an object, Ready unless said otherwise, has this reason.

        Return the object with the reason, because it may be gone a moment later.
        """
        seen: list[str | None] = [None]

        def arrived() -> Body | None:
            body = self.api.get(plural, name)
            seen[0] = _reason(body, type_)
            return body if seen[0] == reason else None

        try:
            found = eventually(arrived, within=within, describe=f"{plural}/{name} is {reason}")
        except AssertionError as error:
            raise AssertionError(f"{error}; its reason is {seen[0]}") from None
        assert found is not None
        return found

    def issue(self, *names: str, within: float = 10.0) -> dict[str, Token]:
        """Wait until the keys are issued, and return their tokens."""
        tokens = {}
        for name in names:
            self.wait_reason(name, "Issued", within=within)
            token = self.token(name)
            assert token is not None, f"{name} is Issued and has no Secret"
            tokens[name] = token
        return tokens

    def wait_new_token(self, name: str, old: Token, *, within: float = 10.0) -> Token:
        """Wait until a key is issued with another token than `old`, and return that."""

        def replaced() -> bool:
            token = self.token(name)
            return token not in (None, old) and self.key(name)["status"].get("hash") == getattr(token, "hash", None)

        eventually(replaced, within=within, describe=f"{name} has a new token")
        return self.issue(name)[name]

    def wait_valid_keys(self, number: int, *, within: float = 15.0) -> Body:
        """Wait until the organization acme counts so many valid keys: the operator has then seen all that it should."""

        def counted() -> Body | None:
            acme = self.api.get("organizations", "acme")
            return acme if acme and (acme["status"].get("keys") or {}).get("valid") == number else None

        return eventually(counted, within=within, describe=f"{number} valid keys are counted") or {}

    def wait_role_change(self, name: str, generation: int, *, within: float = 10.0) -> Body:
        """Wait until a Membership records the role change that led to a generation, and return that record."""

        def recorded() -> Body | None:
            record: Body | None = self.member(name)["status"].get("lastRoleChange")
            return record if record and record["generation"] == generation else None

        return eventually(recorded, within=within, describe=f"{name}'s role change is recorded") or {}

    def wait_counted(self, *, within: float = 15.0) -> None:
        """Wait until every Membership counts its keys, and the Organization all of them."""
        self._wait_nothing(lambda stored: [*stored.uncounted()], "the keys are counted", within)

    def wait_rest(self, *, within: float = 30.0) -> None:
        """Wait until there is nothing left that Tenure has to write, nor will in a moment."""
        self._wait_nothing(
            lambda stored: [*stored.unfinished(), *stored.uncounted()], "nothing is to be written", within
        )

    def _wait_nothing(self, left: Callable[[Stored], list[str]], what: str, within: float) -> None:
        def is_over() -> bool:
            found = left(Stored(self.api))
            assert found == [], found
            return True

        eventually(is_over, within=within, every=0.2, describe=what)

    def events(self, reason: str) -> list[Body]:
        """Return the Events of a reason."""
        return [event for event in self.api.list("events") if event["reason"] == reason]

    def wait_gone(self, plural: str, name: str, *, within: float = 10.0) -> None:
        """Wait until an object is gone."""
        eventually(lambda: self.api.get(plural, name) is None, within=within, describe=f"{plural}/{name} is gone")

    def verdict(self, token: Token) -> str:
        """Judge a token as whoever checks tokens does: from the objects as stored, without the operator."""
        keys = [ApiKey.from_body(body) for body in self.api.list("apikeys")]
        views = (view for key in keys for view in token_views(key))
        key = next((view for view in views if view.status.hash == token.hash), None)
        if key is None:
            return Verdict.NOT_FOUND.value
        member = self.api.get("memberships", key.holder)
        membership = None if member is None else Membership.from_body(member)
        organizations = [Organization.from_body(body) for body in self.api.list("organizations")]
        wanted = None if membership is None else membership.spec.organization
        organization = next((one for one in organizations if one.name == wanted), None)
        return validity(key, membership, organization, datetime.now(UTC)).value

    def try_create(self, body: Body) -> ApiRefusedError | None:
        """Create an object that may be refused; return the refusal."""
        try:
            self.create(body)
        except ApiRefusedError as error:
            return error
        return None


@contextmanager
def fresh_world(plane: ControlPlane, name: str = "") -> Iterator[World]:
    """Give a new namespace as its administrator sees it; see `fresh_namespace`."""
    with fresh_namespace(plane, name) as client:
        yield World(client)


def _reason(body: Body | None, type_: str) -> str | None:
    if body is None or body.get("status", {}).get("observedGeneration") != body["metadata"]["generation"]:
        return None
    conditions = body["status"].get("conditions", [])
    return next((condition["reason"] for condition in conditions if condition["type"] == type_), None)
