"""What a namespace holds, given to whoever reads it as the API server would, and every read and write of a lease noted.

It is no API server: nothing is stored, nothing is refused, and no test of what Tenure does in a cluster rests on it.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tenure.domain.lease import Lease
from tenure.domain.permissions import Permission
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.errors import ApiError, ObjectNotFoundError

R = TypeVar("R", bound=Resource)
Body = dict[str, Any]

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_HOPS = 10
"""Turns of the event loop in which whoever reads side by side has asked."""

_SELECTORS: Mapping[str, Any] = {
    "": lambda _: "",
    "spec.role": lambda one: one.spec.role.value,
    "spec.subject.name": lambda one: one.spec.subject.name,
    "spec.membership": lambda one: one.spec.membership,
    "status.issued.membership": lambda one: one.status.issued and one.status.issued.membership,
    "status.previous.issued.membership": lambda one: one.status.previous and one.status.previous.issued.membership,
    "status.subjectKind": lambda one: getattr(one.status.subject_kind, "value", one.status.subject_kind),
}


@dataclass
class Reads:
    """A namespace, in place of `Cluster`."""

    organizations: Sequence[Organization] = ()
    memberships: Sequence[Membership] = ()
    api_keys: Sequence[ApiKey] = ()
    granted: Collection[str] = ()
    """Permissions that the requester holds, as they are written; `*`: all."""

    lease: Lease | None = None
    terminating: bool = False
    fails: str = ""
    """The read or write that raises `error`."""

    error: ApiError | None = None
    made: list[str] = field(default_factory=list)
    written: list[Body] = field(default_factory=list)
    """The leases that were written."""

    rounds: int = 0
    """How often somebody had to wait for an answer before asking the next: reads side by side are one round."""

    _round: asyncio.Future[None] | None = None

    async def get(self, resource: type[R], namespace: str, name: str) -> R:
        """Read an object."""
        await self._note(f"get {resource.kind}/{name}")
        for one in self._all(resource):
            if isinstance(one, resource) and (one.namespace, one.name) == (namespace, name):
                return one
        raise ObjectNotFoundError(f"{resource.kind} {name}", status=404)

    async def list_in(self, resource: type[R], namespace: str, *, selector: str = "") -> list[R]:
        """List objects by a selectable field."""
        await self._note(f"list {resource.kind} {selector}".rstrip())
        label, _, value = selector.partition("=")
        read = _SELECTORS[label]
        return [one for one in self._all(resource) if one.namespace == namespace and read(one) == value]

    async def read(self, path: str) -> Body:
        """Read the namespace."""
        await self._note(f"read {path}")
        return {"metadata": {"deletionTimestamp": "2027-02-22T08:30:00Z"} if self.terminating else {}}

    async def request(self, _: str, path: str, *, body: Mapping[str, Any] | None = None, **__: Any) -> Body:
        """Answer a question about a permission, read the lease, or take the write of it down."""
        if path == _REVIEWS and body is not None:
            return await self._review(body["spec"]["resourceAttributes"])
        if body is not None:
            await self._note("write lease")
            self.written.append(dict(body))
            return {**body, "metadata": {**body["metadata"], "resourceVersion": "2"}}
        await self._note("read lease")
        if self.lease is None:
            raise ObjectNotFoundError(path, status=404)
        return self.lease.to_body()

    async def _review(self, asked: Mapping[str, Any]) -> Body:
        permission = Permission(asked["verb"], asked["resource"], asked["namespace"], asked["name"])
        await self._note(f"ask {permission}")
        return {"status": {"allowed": "*" in self.granted or str(permission) in self.granted}}

    def _all(self, resource: type[R]) -> Sequence[Any]:
        by_kind: Mapping[type[Resource], Sequence[Any]] = {
            Organization: self.organizations,
            Membership: self.memberships,
            ApiKey: self.api_keys,
        }
        return by_kind[resource]

    async def _note(self, what: str) -> None:
        self.made.append(what)
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
            self.rounds += 1
            self._answer(_HOPS)
        await self._round
        if self.error is not None and what == self.fails:
            raise self.error

    def _answer(self, hops: int) -> None:
        """Answer everybody who has asked, once all have that ask side by side."""
        if hops:
            asyncio.get_running_loop().call_soon(self._answer, hops - 1)
        elif self._round is not None:
            self._round.set_result(None)
            self._round = None
