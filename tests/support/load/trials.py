"""Trials: all Owners of an organization demote each other at the same moment, and again, in many organizations at once.

They retry as kubectl does: what is answered with 429 is sent again after the time that the answer asks for.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

from support.objects import manifests
from tenure.domain.resources.base import API_VERSION
from tenure_dev.controlplane import ControlPlane

GROUP = "trial-owners"
"""Everybody in it holds every grant."""

_ATTEMPTS = 11
_CREATED, _OK, _TOO_MANY = 201, 200, 429


@dataclass
class Tally:
    """What came of some trials."""

    owners_left: Counter[int] = field(default_factory=Counter)
    """How many trials left an organization with so many Owners."""

    answers: Counter[int] = field(default_factory=Counter)
    """How often a demotion was answered with each status in the end."""

    retries: int = 0

    def __str__(self) -> str:
        left = ", ".join(f"{count} trials left {owners}" for owners, count in sorted(self.owners_left.items()))
        answers = ", ".join(f"{count} x {code}" for code, count in sorted(self.answers.items()))
        return f"owners: {left}; answers: {answers}; {self.retries} retries"


@dataclass
class Arena:
    """An asynchronous context manager for trials on one control plane."""

    plane: ControlPlane
    owners: int
    organizations: int

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=str(self.plane.certificate_authority))
        tls.load_cert_chain(self.plane.admin.certificate, self.plane.admin.key)
        self._session = aiohttp.ClientSession(
            base_url=self.plane.server, connector=aiohttp.TCPConnector(ssl=tls, limit=0), trust_env=False
        )
        self._names = [f"arena-{self.owners}-{number}" for number in range(self.organizations)]
        self._tally = Tally()
        await asyncio.gather(*map(self._build, self._names))
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in self._names:
            await self._call("DELETE", f"/api/v1/namespaces/{name}")
        await self._session.close()

    async def run(self, trials: int) -> Tally:
        """Run so many trials, shared out among the organizations, and return what came of them."""
        self._tally = Tally()
        rounds = [trials // self.organizations] * self.organizations
        for number in range(trials % self.organizations):
            rounds[number] += 1
        await asyncio.gather(*(self._run_in(name, count) for name, count in zip(self._names, rounds, strict=True)))
        return self._tally

    async def _build(self, name: str) -> None:
        metadata = {"name": name}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        assert await self._call("POST", "/api/v1/namespaces", namespace) == _CREATED
        organization = f"/apis/{API_VERSION}/namespaces/{name}/organizations"
        assert await self._call("POST", organization, manifests.organization()) == _CREATED
        for number in range(self.owners):
            body = manifests.member(f"owner-{number}", "Owner")
            assert await self._call("POST", _members(name), body) == _CREATED

    async def _run_in(self, namespace: str, rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.gather(*(self._demote_next(namespace, number) for number in range(self.owners)))
            left = await self._owners(namespace)
            self._tally.owners_left[len(left)] += 1
            await asyncio.gather(*(self._restore(namespace, number) for number in set(range(self.owners)) - left))

    async def _demote_next(self, namespace: str, number: int) -> None:
        """One Owner demotes the next one."""
        path, body = _member(namespace, (number + 1) % self.owners), {"spec": {"role": "Viewer"}}
        identity = {"Impersonate-User": f"owner-{number}@{manifests.DOMAIN}", "Impersonate-Group": GROUP}
        for attempt in range(_ATTEMPTS):
            async with self._request("PATCH", path, body, identity) as answer:
                if answer.status != _TOO_MANY or attempt == _ATTEMPTS - 1:
                    break
                pause = float(answer.headers["Retry-After"])
            self._tally.retries += 1
            await asyncio.sleep(pause)
        self._tally.answers[answer.status] += 1

    async def _restore(self, namespace: str, number: int) -> None:
        """Make somebody an Owner again, for the next trial; a machine that is too busy to judge it is asked again."""
        body = {"spec": {"role": "Owner"}}
        while await self._call("PATCH", _member(namespace, number), body) != _OK:  # noqa: ASYNC110
            await asyncio.sleep(1)

    async def _owners(self, namespace: str) -> set[int]:
        async with self._request("GET", f"{_members(namespace)}?fieldSelector=spec.role%3DOwner") as answer:
            items = (await answer.json())["items"]
        return {int(body["metadata"]["name"].removeprefix("owner-")) for body in items}

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
        async with self._request(method, path, body) as answer:
            await answer.read()
            return answer.status

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        identity: Mapping[str, str] | None = None,
    ) -> aiohttp.client._RequestContextManager:
        media_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": media_type, **(identity or {})}
        return self._session.request(method, path, json=body, headers=headers)


def admit_owners(plane: ControlPlane) -> None:
    """Give the trials' Owners what the role brings, in every namespace."""
    plane.kubectl("create", "clusterrolebinding", GROUP, "--clusterrole=tenure-owner", f"--group={GROUP}")


def _members(namespace: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace}/memberships"


def _member(namespace: str, number: int) -> str:
    return f"{_members(namespace)}/owner-{number}"
