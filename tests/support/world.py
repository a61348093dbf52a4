"""A namespace with an organization in it, seen as its users see it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support import manifests
from support.api import Api, ApiRefusedError
from support.eventually import eventually
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.tokens import Token
from tenure.domain.validity import Verdict, validity

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
        body = self.api.get(plural, name)
        if body is None or body.get("status", {}).get("observedGeneration") != body["metadata"]["generation"]:
            return None
        conditions = body["status"].get("conditions", [])
        return next((condition["reason"] for condition in conditions if condition["type"] == type_), None)

    def wait_reason(self, name: str, reason: str, *, plural: str = "apikeys", within: float = 10.0) -> Body:
        """Wait until an object's Ready condition has this reason, and return the object."""
        _wait(lambda: self.reason(plural, name), reason, f"{plural}/{name}", within)
        body = self.api.get(plural, name)
        assert body is not None
        return body

    def issue(self, *names: str, within: float = 10.0) -> dict[str, Token]:
        """Wait until the keys are issued, and return their tokens."""
        tokens = {}
        for name in names:
            self.wait_reason(name, "Issued", within=within)
            token = self.token(name)
            assert token is not None, f"{name} is Issued and has no Secret"
            tokens[name] = token
        return tokens

    def wait_gone(self, plural: str, name: str, *, within: float = 10.0) -> None:
        """Wait until an object is gone."""
        eventually(lambda: self.api.get(plural, name) is None, within=within, describe=f"{plural}/{name} is gone")

    def verdict(self, token: Token) -> str:
        """Judge a token as whoever checks tokens does: from the objects as stored, without the operator."""
        keys = [ApiKey.from_body(body) for body in self.api.list("apikeys")]
        key = next((key for key in keys if key.status.hash == token.hash), None)
        if key is None:
            return Verdict.NOT_FOUND.value
        member = self.api.get("memberships", key.spec.membership)
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


def _wait(read: Callable[[], str | None], wanted: str, what: str, within: float) -> None:
    seen: list[str | None] = [None]

    def arrived() -> bool:
        seen[0] = read()
        return seen[0] == wanted

    try:
        eventually(arrived, within=within, describe=f"{what} is {wanted}")
    except AssertionError as error:
        raise AssertionError(f"{error}; its reason is {seen[0]}") from None
