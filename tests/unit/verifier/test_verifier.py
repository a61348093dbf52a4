"""What counts as a use of a dead key, what an answer's bearer may be told, and when nothing may be said."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from support.objects.builders import NOW, api_key, entropy_of, issued, membership, organization, token_of
from support.run.jumping import JumpingLoop
from tenure.domain.resources import ApiKey, Resource
from tenure.domain.roles import Capability
from tenure.domain.tokens import Token
from tenure.domain.verification import Code, Decision, Question
from tenure.errors import ForbiddenError
from tenure.kube.breaker import Loop
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection
from tenure.verifier.index import Index, Revocation
from tenure.verifier.verifier import Answer, StaleError, Verifier, look_up

KEY = issued(api_key(), membership(), organization())
TOKEN = token_of(KEY)
FORGED = Token.mint(entropy_of(KEY)[:16] + bytes(32))
"""A token of the same public id, with another secret."""

UNKNOWN = Token.mint(bytes(48))
"""A token of which nobody knows anything."""


def index_of(*resources: Resource) -> Index:
    index = Index()
    for resource in resources:
        body = resource.model_dump(by_alias=True, mode="json", exclude_none=True)
        index.change(type(resource), body, deleted=False, now=NOW)
    return index


def answer(index: Index, token: Token) -> Answer:
    found = look_up(index, token.reveal(), Question(), NOW)
    assert isinstance(found, Answer)
    return found


@pytest.mark.parametrize(
    ("hash_", "proven", "counts"),
    [("sha256:right", True, True), ("sha256:right", False, False), (None, False, True)],
    ids=["its secret", "a wrong secret", "a secret that nobody can check any more"],
)
def test_a_use_of_a_dead_key_is_one_that_may_have_had_its_secret(
    hash_: str | None, *, proven: bool, counts: bool
) -> None:
    revocation = Revocation(Code.ROLE_CHANGED, NOW, "acme", "alice", hash_)
    assert Answer(Decision(Code.ROLE_CHANGED), revocation, proven, "A" * 12).is_dead is counts


def test_a_secret_is_proven_by_its_hash_alone() -> None:
    index = index_of(organization(), membership(), KEY)
    assert FORGED.key_id == TOKEN.key_id
    assert (answer(index, TOKEN).decision.code, answer(index, TOKEN).proven) == (Code.VALID, True)
    assert (answer(index, FORGED).decision.code, answer(index, FORGED).proven) == (Code.NOT_FOUND, False)

    index.change(ApiKey, KEY.model_dump(by_alias=True, mode="json", exclude_none=True), deleted=True, now=NOW)
    assert (answer(index, TOKEN).decision.valid, answer(index, TOKEN).proven) == (False, True)
    assert (answer(index, FORGED).decision.valid, answer(index, FORGED).proven) == (False, False)


def test_a_narrowed_token_is_found_and_works_only_with_the_stamp_of_one() -> None:
    narrow = issued(api_key(capabilities=["costs"]), membership(), organization())
    token, question = token_of(narrow), Question(capability=Capability.COSTS)

    def code(key: ApiKey) -> Code:
        found = look_up(index_of(organization(), membership(), key), token.reveal(), question, NOW)
        assert isinstance(found, Answer)
        assert found.proven
        return found.decision.code

    assert code(narrow) is Code.VALID
    pruned = issued(api_key(), membership(), organization(), hash=token.hash)  # By an older definition.
    assert code(pruned) is Code.PENDING
    removed = index_of(organization(), membership(), narrow)
    body = narrow.model_dump(by_alias=True, mode="json", exclude_none=True)
    removed.change(ApiKey, body, deleted=True, now=NOW)
    gone = look_up(removed, token.reveal(), question, NOW)
    assert isinstance(gone, Answer)
    assert (gone.decision.valid, gone.proven) == (False, True)


@pytest.mark.asyncio(loop_scope="function")
async def test_nothing_is_said_before_everything_was_listed() -> None:
    connection = Connection("https://127.0.0.1:1")
    async with Cluster(connection) as cluster:
        verifier = Verifier(cluster, max_staleness=30)
        assert verifier.why_not_ready() == "the first list isn't complete yet"
        with pytest.raises(StaleError, match="the first list isn't complete yet"):
            await verifier.verify(TOKEN.reveal(), Question())


class ForbidsOneNamespace:
    """Lists and watches as the API server does, until somebody takes the verifier's rights in one namespace."""

    def __init__(self) -> None:
        self.forbidden = ""
        self._version = 10

    async def turn(self, _: Loop) -> None:
        """The API server is never away."""

    async def pages(
        self, resource: type[Resource], namespace: str, **_: Any
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        self._check(namespace)
        objects = [one for one in (organization(), membership(), KEY) if isinstance(one, resource)]
        bodies = [one.model_dump(by_alias=True, mode="json", exclude_none=True) for one in objects]
        yield bodies if namespace == KEY.namespace else [], str(self._version)

    async def watch(self, _: type[Resource], __: str, namespace: str, *, seconds: int) -> AsyncIterator[dict[str, Any]]:
        self._check(namespace)
        await asyncio.sleep(seconds / 100)
        yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self._version)}}}

    async def version(self, _: type[Resource], namespace: str) -> int:
        self._check(namespace)
        self._version += 1
        return self._version

    def _check(self, namespace: str) -> None:
        if namespace == self.forbidden:
            raise ForbiddenError("HTTP 403", status=403)


def _ask_without_rights_in(forbidden: str, ask: Callable[[Verifier], Awaitable[None]]) -> None:
    """Ask every three seconds, long after the rights in a namespace were lost.

    On a clock that jumps: a machine that is busy for a second would make the proof too old.
    """

    async def check() -> None:
        cluster = ForbidsOneNamespace()
        namespaces = ("first", KEY.namespace, "another")
        verifier = Verifier(cast("Cluster", cluster), max_staleness=30, namespaces=namespaces, now=lambda: NOW)
        async with verifier.running():
            while verifier.why_not_ready():  # noqa: ASYNC110 - there is nothing else to wait for
                await asyncio.sleep(0.1)
            cluster.forbidden = forbidden
            await asyncio.sleep(45)
            for _ in range(10):
                await asyncio.sleep(3)
                await ask(verifier)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(check())


@pytest.mark.parametrize("forbidden", ["another", "first"])
def test_keys_of_one_namespace_work_without_rights_in_another(forbidden: str) -> None:
    async def ask(verifier: Verifier) -> None:
        assert (await verifier.verify(TOKEN.reveal(), Question())).decision.code is Code.VALID
        answer = await verifier.verify(UNKNOWN.reveal(), Question(namespace=KEY.namespace))
        assert answer.decision.code is Code.NOT_FOUND
        for namespace in (None, forbidden, "not-served"):
            with pytest.raises(StaleError, match=r"s old|isn't complete"):
                await verifier.verify(UNKNOWN.reveal(), Question(namespace=namespace))

    _ask_without_rights_in(forbidden, ask)


def test_a_key_is_unsure_without_rights_in_its_own_namespace() -> None:
    async def ask(verifier: Verifier) -> None:
        for namespace in (None, KEY.namespace):
            with pytest.raises(StaleError, match=r"s old|isn't complete"):
                await verifier.verify(TOKEN.reveal(), Question(namespace=namespace))

    _ask_without_rights_in(KEY.namespace, ask)
