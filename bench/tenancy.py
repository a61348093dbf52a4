"""A fresh organization in a namespace of its own, and its removal."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bench.api import API_VERSION, MERGE_PATCH, Api, collection

_GONE_WITHIN = 600.0
_POLL_SECONDS = 0.5
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Tenancy:
    """A namespace with an Organization and its members, the first of them Owner."""

    namespace: str
    members: tuple[str, ...]

    @property
    def keys(self) -> str:
        """The path of its ApiKeys."""
        return collection(self.namespace, "apikeys")

    @property
    def secrets(self) -> str:
        """The path of its Secrets."""
        return f"/api/v1/namespaces/{self.namespace}/secrets"

    def key(self, number: int) -> dict[str, Any]:
        """The ApiKey of a number, as a body to create; members take turns."""
        member = self.members[number % len(self.members)]
        return {
            "apiVersion": API_VERSION,
            "kind": "ApiKey",
            "metadata": {"name": f"key-{number:05}"},
            "spec": {"membership": member, "access": "View"},
        }


@asynccontextmanager
async def tenancy(api: Api, *, members: int) -> AsyncIterator[Tenancy]:
    """Make an organization with an owner and so many further members; it is gone after the block.

    Not after an error: then the whole control plane goes.
    """
    namespace = f"bench-{next(_numbers)}"
    await api.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    spec: dict[str, Any] = {"displayName": "Acme", "keys": {"maxPerMember": 1000}}
    await _create(api, collection(namespace, "organizations"), "Organization", "acme", spec)
    names = tuple(f"member-{number:02}" for number in range(members))
    for name, role in [("owner", "Owner"), *((name, "Member") for name in names)]:
        subject = {"kind": "User", "name": f"{name}@acme.io"}
        spec = {"organization": "acme", "subject": subject, "role": role}
        await _create(api, collection(namespace, "memberships"), "Membership", name, spec)
    yield Tenancy(namespace, names)
    await _remove(api, f"/api/v1/namespaces/{namespace}")


async def change_role(api: Api, place: Tenancy, member: str, role: str) -> float:
    """Change a member's role; the moment of the answer on the monotonic clock."""
    path = f"{collection(place.namespace, 'memberships')}/{member}"
    await api.send("PATCH", path, {"spec": {"role": role}}, MERGE_PATCH)
    return time.monotonic()


async def _create(api: Api, path: str, kind: str, name: str, spec: dict[str, Any]) -> None:
    await api.send("POST", path, {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})


async def _remove(api: Api, path: str) -> None:
    await api.send("DELETE", path)
    deadline = time.monotonic() + _GONE_WITHIN
    while await api.exists(path) and time.monotonic() < deadline:  # noqa: ASYNC110 - the event is the server's
        await asyncio.sleep(_POLL_SECONDS)
