"""Stores with many keys, ready within a minute.

Tenure itself issues the keys of one namespace. The other namespaces are copies of what etcd has of it, with other
names, uids, key ids, tokens and hashes of the same length. So each object is what the API server would have stored,
byte by byte, and Tenure has nothing to write when it starts. The first namespace is kept in the cache folder for later
runs.
"""

import asyncio
import contextlib
import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.api import API_VERSION, CONNECTIONS, Api, RequestFailedError, collection
from bench.etcd import Etcd
from bench.operators import TENURE
from bench.scenario import Bench
from tenure.domain.resources.base import format_time
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure_dev.paths import CHECKOUT, CRDS, cache_folder

KEYS_PER_NAMESPACE = 1000
KEYS_PER_MEMBER = 20

_MARK = "n00000"
"""Part of all names of the first namespace. The copies have their own number."""
_NAMESPACE = f"bench-{_MARK}"
_ISSUED_WITHIN = 600.0
_SETTLED_SECONDS = 2.5
_SHOWN_WITHIN = 300.0
_POLL_SECONDS = 0.2

_RESOURCES = ("tenure.dev/organizations", "tenure.dev/memberships", "tenure.dev/apikeys", "secrets")
_UID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TOKENS = r"tnr_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}"
_KEY_ID = r"(?<![0-9A-Za-z])[0-9A-Za-z]{12}(?![0-9A-Za-z])"
_PLACES = re.compile(rf"({_MARK}|{_UID}|{_TOKENS}|[0-9a-f]{{64}}|{_KEY_ID})".encode())

Stored = Mapping[bytes, bytes]
"""Keys and values as etcd has them."""


@dataclass(frozen=True)
class Store:
    """The size of a store. The keys are either all issued, or all of them wait for Tenure."""

    keys: int
    issued: bool = True
    rotated_namespaces: int = 0
    """Number of the last namespaces whose keys have a former token that is valid, too (`former_token`)."""

    @property
    def in_namespace(self) -> int:
        """Number of keys in a namespace."""
        return min(self.keys, KEYS_PER_NAMESPACE)

    @property
    def namespaces(self) -> int:
        """Number of namespaces, each of an Organization of its own. The last one is full, too."""
        return -(-self.keys // self.in_namespace)

    def namespace(self, number: int) -> str:
        """The name of a namespace, from 0 on."""
        return f"bench-{_mark(number)}"

    @property
    def member(self) -> str:
        """A member in the first namespace."""
        return f"member-{_MARK}-00"

    @property
    def members_in_namespace(self) -> int:
        """Number of Memberships in a namespace, one of them an Owner without keys."""
        return 1 + -(-self.in_namespace // KEYS_PER_MEMBER)


@asynccontextmanager
async def stored(bench: Bench, store: Store) -> AsyncIterator[None]:
    """Have a store in the control plane while the block runs.

    The controller manager doesn't run meanwhile, because it would look at each object too.
    """
    template = await _template(bench, store)
    bench.tell(f"writing {store.keys:,} keys into etcd")
    bench.plane.stop_controller_manager()
    async with Etcd(bench.plane.etcd_endpoint) as etcd:
        await etcd.write(_copies(template, store))
        await _until_shown(bench.api, store)
        yield
        bench.tell(f"removing {store.keys:,} keys")
        for number in range(store.namespaces):
            for resource in (*_RESOURCES, "namespaces"):
                await etcd.remove(f"/registry/{resource}/{store.namespace(number)}")
    bench.plane.start_controller_manager()


async def _until_shown(api: Api, store: Store) -> None:
    """Wait until the API server has taken in everything, which it watches in etcd. It answers 504 while it lags."""
    wanted = store.namespaces * store.in_namespace
    paths = (f"/apis/{API_VERSION}/organizations", f"/apis/{API_VERSION}/memberships", "/api/v1/secrets")
    async with asyncio.timeout(_SHOWN_WITHIN):
        while True:
            with contextlib.suppress(RequestFailedError):
                for path in paths:
                    await api.get(f"{path}?limit=1")
                keys = await api.get(f"/apis/{API_VERSION}/apikeys?limit=1")
                if keys["metadata"].get("remainingItemCount", 0) + 1 >= wanted:
                    return
            await asyncio.sleep(_POLL_SECONDS)


async def _template(bench: Bench, store: Store) -> Stored:
    """The first namespace, from the cache folder or made by Tenure."""
    path = (
        cache_folder() / "stores" / f"{'issued' if store.issued else 'waiting'}-{store.in_namespace}-{_digest()}.json"
    )
    if path.exists():
        return {b64decode(key): b64decode(value) for key, value in json.loads(path.read_bytes()).items()}
    await _make(bench, store)
    found: dict[bytes, bytes] = {}
    async with Etcd(bench.plane.etcd_endpoint) as etcd:
        for resource in (*_RESOURCES, "namespaces"):
            found |= await etcd.read(f"/registry/{resource}/{_NAMESPACE}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({b64encode(key).decode(): b64encode(value).decode() for key, value in found.items()}))
    partial.rename(path)
    return found


def _digest() -> str:
    """A digest of everything that decides what is stored."""
    sources = [Path(__file__), *sorted(CRDS.glob("*.yaml")), *sorted((CHECKOUT / "operator").rglob("domain/**/*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


async def _make(bench: Bench, store: Store) -> None:
    """Have Tenure issue the keys of the first namespace, or only look at its members."""
    api = bench.api
    bench.tell(f"Tenure makes the first {store.in_namespace:,} keys of the store")
    await api.send("POST", "/api/v1/namespaces", {"metadata": {"name": _NAMESPACE}})
    names = [f"member-{_MARK}-{number:02}" for number in range(store.members_in_namespace - 1)]
    async with bench.launcher.running(TENURE) as process:
        await _create(api, "organizations", "Organization", f"org-{_MARK}", {"displayName": f"Acme {_MARK}"})
        for name in (f"owner-{_MARK}", *names):
            subject = {"kind": "User", "name": f"{name}@acme.io"}
            role = "Owner" if name.startswith("owner") else "Member"
            spec = {"organization": f"org-{_MARK}", "subject": subject, "role": role}
            await _create(api, "memberships", "Membership", name, spec)
        if store.issued:
            await _create_keys(api, names, store.in_namespace)
            await _until_issued(api, store.in_namespace)
        await process.settled(_SETTLED_SECONDS)
    if not store.issued:
        await _create_keys(api, names, store.in_namespace)


async def _create(api: Api, plural: str, kind: str, name: str, spec: dict[str, Any]) -> None:
    body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
    await api.send("POST", collection(_NAMESPACE, plural), body)


async def _create_keys(api: Api, members: list[str], count: int) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            spec = {"membership": members[number % len(members)], "access": "View"}
            await _create(api, "apikeys", "ApiKey", f"key-{_MARK}-{number:04}", spec)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work())


async def _until_issued(api: Api, count: int) -> None:
    async with asyncio.timeout(_ISSUED_WITHIN):
        while True:
            items = (await api.get(collection(_NAMESPACE, "apikeys")))["items"]
            if sum("hash" in item["status"] for item in items) == count:
                return
            await asyncio.sleep(_POLL_SECONDS * 5)


def former_token(namespace: str, name: str) -> Token:
    """The former token of a key in a namespace whose keys have one."""
    return Token.mint(hashlib.sha384(f"former {namespace} {name}".encode()).digest())


def _rotated(value: bytes) -> bytes:
    """An ApiKey with its former token, as Tenure leaves it after a rotation. Other objects stay as they are."""
    body = json.loads(value) if value.startswith(b"{") else {}
    if body.get("kind") != "ApiKey":
        return value
    token = former_token(body["metadata"]["namespace"], body["metadata"]["name"])
    now = datetime.now(UTC)
    body["status"]["previous"] = {
        "keyId": token.key_id,
        "hash": token.hash,
        "issued": body["status"]["issued"],
        "replacedAt": format_time(now),
        "endsAt": format_time(now + timedelta(days=1)),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def _copies(template: Stored, store: Store) -> Iterator[tuple[bytes, bytes]]:
    """The template for each namespace."""
    pairs = [(_PLACES.split(key), _PLACES.split(value)) for key, value in template.items()]
    known = _Identities(template)
    for number in range(store.namespaces):
        changed = known.of(number)
        finish = _rotated if number >= store.namespaces - store.rotated_namespaces else bytes
        for key, value in pairs:
            yield (
                b"".join([changed.get(part, part) for part in key]),
                finish(b"".join([changed.get(part, part) for part in value])),
            )


class _Identities:
    """The strings in a template that have to be other ones in each copy."""

    def __init__(self, template: Stored) -> None:
        text = b"\n".join(template.values())
        self._uids = {uid.decode() for uid in re.findall(_UID.encode(), text)}
        self._tokens = [Token(token.decode()) for token in set(re.findall(_TOKENS.encode(), text))]

    def of(self, number: int) -> Mapping[bytes, bytes]:
        """What replaces each string in the copy of a number. The first copy is the template itself."""
        if number == 0:
            return {}
        changed = {_MARK: _mark(number)}
        changed |= {uid: f"{number:08x}{uid[8:]}" for uid in self._uids}
        for token in self._tokens:
            entropy = hashlib.sha512(f"{number} {token.reveal()}".encode()).digest()
            new = Token.mint(entropy[:ENTROPY_BYTES])
            changed[token.reveal()], changed[token.key_id] = new.reveal(), new.key_id
            changed[token.hash.removeprefix("sha256:")] = new.hash.removeprefix("sha256:")
        return {before.encode(): after.encode() for before, after in changed.items()}


def _mark(number: int) -> str:
    return f"n{number:05}"
