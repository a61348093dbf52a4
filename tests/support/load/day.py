"""A day of an installation, in small: what its people do to thousands of keys, and what must come of it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests

from support.api.api import ApiRefusedError
from support.api.client import Client
from support.objects.manifests import api_key, member, organization, service_account
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane

Body = Mapping[str, Any]

THREADS = 8
MEMBERS_OF_A_SITE = 20
KEYS_OF_A_SITE = 1000
ROLES = ("Member", "Analyst", "Viewer")
PAST = "2026-01-01T00:00:00Z"
ROTATED: Body = {"rotation": {"request": 1, "overlap": "1h"}}
GONE = ""
"""What is expected of a key that is deleted."""

_NOT_NOW = (403, 429, 500, 503, 504)
"""Answers of an API server that stops, starts, or doesn't reach its webhooks."""


@dataclass(frozen=True)
class Key:
    """A key by its number. The number says what becomes of it."""

    number: int

    @property
    def name(self) -> str:
        return f"key-{self.number}"

    @property
    def holder(self) -> int:
        """Number of its member."""
        return self.number // 10 % MEMBERS_OF_A_SITE

    @property
    def member(self) -> str:
        return member_name(self.holder)

    @property
    def is_deleted_by_role(self) -> bool:
        return self.holder in PROMOTED

    def morning(self) -> Body | None:
        """What its people write into its spec in the morning, or None. An empty one deletes it."""
        edits: Sequence[Body] = (ROTATED, {"revision": 2}, {"suspended": True}, {"expiresAt": PAST}, {})
        return edits[self.number % 10] if self.number % 10 < len(edits) else None

    def evening(self) -> Body | None:
        """The same while the API server goes away and comes back."""
        return {5: ROTATED, 6: {"revision": 2}}.get(self.number % 10)

    def expected(self, *, evening: bool) -> tuple[str, int, int | None]:
        """Reason of its condition, revision and request of its token, once all is done."""
        edit = {**(self.morning() or {}), **((self.evening() or {}) if evening else {})}
        if self.is_deleted_by_role or self.number % 10 == _DELETED:
            return GONE, 0, None
        reason = "Suspended" if "suspended" in edit else "Expired" if "expiresAt" in edit else "Issued"
        return reason, edit.get("revision", 1), 1 if "rotation" in edit else None


_DELETED = 4
PROMOTED = (3, 7)
"""Numbers of the members of each site whose role changes."""


def member_name(number: int) -> str:
    """Every fifth member is a service account."""
    return f"robot-{number}" if number % 5 == 0 else f"person-{number}"


class Site:
    """An organization in a namespace of its own, with its members and keys."""

    def __init__(self, plane: ControlPlane, number: int, keys: int) -> None:
        self.namespace = f"site-{number}"
        self.keys = [Key(each) for each in range(keys)]
        self._api = Client(plane, self.namespace)

    def populate(self) -> None:
        """Create everything."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self._api.post("/api/v1/namespaces", body)
        self._api.create("organizations", organization())
        self._api.create("memberships", member("boss", "Owner"))
        for number in range(MEMBERS_OF_A_SITE):
            create = service_account if number % 5 == 0 else member
            self._api.create("memberships", create(member_name(number), ROLES[number % len(ROLES)]))
        for key in self.keys:
            self._api.create("apikeys", api_key(key.name, key.member))

    def morning(self) -> None:
        """Change roles and keys, as often as it takes: it may have been done before, and the API server may restart."""
        for number in PROMOTED:
            patch = {"spec": {"role": ROLES[(number + 1) % len(ROLES)]}}
            _do(partial(self._api.patch, "memberships", member_name(number), patch))
        self._edit(Key.morning)

    def evening(self) -> None:
        """Rotate and reissue other keys."""
        self._edit(Key.evening)

    def valid(self) -> int:
        """Number of valid keys that the organization counts."""
        acme = self._api.get("organizations", "acme") or {}
        return int((acme.get("status", {}).get("keys") or {}).get("valid") or 0)

    def _edit(self, edit: Callable[[Key], Body | None]) -> None:
        for key in self.keys:
            spec = edit(key)
            if spec is None or key.is_deleted_by_role:
                continue
            if spec:
                _do(partial(self._api.patch, "apikeys", key.name, {"spec": spec}))
            else:
                _do(partial(self._api.delete, "apikeys", key.name))


class Day:
    """All sites, and what happens in them."""

    def __init__(self, plane: ControlPlane, keys: int) -> None:
        size = min(KEYS_OF_A_SITE, keys)
        self.sites = [Site(plane, number, size) for number in range(keys // size)]

    def all(self, act: Callable[[Site], None]) -> float:
        """Do this in all sites at once, and return the seconds that it took."""
        began = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(act, self.sites))
        return time.monotonic() - began

    def expected(
        self, *, evening: bool = True, untouched: bool = False
    ) -> Iterator[tuple[str, str, str, int, int | None]]:
        """Namespace, name, reason, revision and request of all keys that are left, or all as they were issued."""
        for site in self.sites:
            for key in site.keys:
                reason, revision, request = ("Issued", 1, None) if untouched else key.expected(evening=evening)
                if reason != GONE:
                    yield site.namespace, key.name, reason, revision, request

    def valid(self) -> int:
        """Number of valid keys that the organizations count."""
        return sum(site.valid() for site in self.sites)


def _do(call: Callable[[], object]) -> None:
    """Make a request until it is answered. What is done already is done."""

    def done() -> bool:
        try:
            call()
        except requests.ConnectionError:
            return False
        except ApiRefusedError as error:
            if error.code in _NOT_NOW:
                return False
            if error.code != requests.codes.not_found:
                raise
        return True

    if not done():
        eventually(done, within=300, every=0.5, describe="the API server answers")


def as_rows(keys: Sequence[Body]) -> Iterator[tuple[str, str, str, int, int | None]]:
    """The stored keys in the form of `Day.expected`."""
    for key in keys:
        status = key.get("status") or {}
        ready: Body = next((one for one in status.get("conditions", ()) if one["type"] == "Ready"), {})
        stamp = status.get("issued") or {}
        is_done = "next" not in status and status.get("observedGeneration") == key["metadata"]["generation"]
        reason = ready.get("reason", "") if is_done else "under way"
        yield (
            *(key["metadata"]["namespace"], key["metadata"]["name"], reason),
            *(stamp.get("revision", 0), stamp.get("request")),
        )
