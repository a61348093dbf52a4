"""The tokens that a verifier is asked about, and what a decision about them takes."""

import asyncio
import base64
import hashlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.api import API_VERSION, Api, collection
from bench.timing import compare
from tenure.domain.resources import KINDS
from tenure.domain.roles import Capability
from tenure.domain.tokens import CHECKSUM_LENGTH, ENTROPY_BYTES, PREFIX, SECRET_LENGTH, Token, _checksum
from tenure.domain.verification import Question
from tenure.kube.list_watch import Indexed
from tenure.verifier.index import Index
from tenure.verifier.verifier import look_up

TOKENS = 500
"""Different ones that are asked about; all keys are in the index."""
DECISIONS = 20_000


@dataclass(frozen=True)
class Asked:
    """A key that is asked about."""

    namespace: str
    name: str
    token: Token


async def read_keys(api: Api, namespaces: Sequence[str]) -> list[Asked]:
    """Read some keys of each namespace with their tokens."""
    found = []
    for namespace in namespaces:
        path = f"/api/v1/namespaces/{namespace}/secrets?limit={max(TOKENS // len(namespaces), 1)}"
        for secret in (await api.get(path))["items"]:
            token = Token(base64.b64decode(secret["data"]["token"]).decode())
            found.append(Asked(namespace, secret["metadata"]["name"], token))
    return found


async def compare_times(port: int, keys: Sequence[Asked], count: int) -> tuple[float, int]:
    """See whether the time of an answer tells a wrong secret from an unknown id."""
    strangers = [request(one.namespace, unknown(number)) for number, one in enumerate(keys)]
    forgeries = [request(one.namespace, forged(one.token)) for one in keys]
    return await asyncio.to_thread(compare, port, strangers, forgeries, count), count


async def decision_us(api: Api, keys: Sequence[Asked]) -> float:
    """The median time of a decision without HTTP, in microseconds."""
    index, now = Index(), datetime.now(UTC)
    for kind in KINDS:
        whole = []
        for namespace in sorted({one.namespace for one in keys}):
            bodies = (await api.get(collection(namespace, kind.plural)))["items"]
            whole += [Indexed.of(kind, {**body, "apiVersion": API_VERSION, "kind": kind.kind}) for body in bodies]
        await index.replace(kind, whole, now)
    taken = []
    for number in range(DECISIONS):
        asked = keys[number % len(keys)]
        text, question = asked.token.reveal(), Question(None, Capability.COSTS, namespace=asked.namespace)
        began = time.perf_counter()
        look_up(index, text, question, datetime.now(UTC))
        taken.append((time.perf_counter() - began) * 1e6)
    return statistics.median(taken)


def request(namespace: str, token: Token) -> bytes:
    """What a proxy sends about a token."""
    path = f"/v1/authorize?namespace={namespace}&capability=costs&level=View"
    return f"GET {path} HTTP/1.1\r\nHost: tenure\r\nAuthorization: Bearer {token.reveal()}\r\n\r\n".encode()


def unknown(number: int) -> Token:
    """A token that nobody issued, with an id of its own."""
    return Token.mint(hashlib.sha384(number.to_bytes(8)).digest())


def forged(token: Token) -> Token:
    """A token of the same public id with another secret; the checksum is public."""
    other = Token.mint(bytes(ENTROPY_BYTES)).reveal()
    text = f"{PREFIX}_{token.key_id}_{other[-SECRET_LENGTH - CHECKSUM_LENGTH : -CHECKSUM_LENGTH]}"
    return Token(text + _checksum(text))
