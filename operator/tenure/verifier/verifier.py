"""Decide about tokens from an index that watches fill, and prove by lists that the index is fresh."""

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tenure.domain.resources import KINDS, ApiKey, Membership, Resource
from tenure.domain.tokens import Token
from tenure.domain.verification import Code, Decision, Holding, Question, decide
from tenure.errors import ForbiddenError, MalformedTokenError, ObjectNotFoundError, TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.list_watch import Changed, Feed, Listed, follow
from tenure.observability.catalogue import VERIFIER_KEYS, VERIFIER_PROOF
from tenure.observability.log_limits import cause_of, warn_once_a_minute
from tenure.observability.metrics import Reading
from tenure.process.clock import utc_now
from tenure.process.tasks import together
from tenure.verifier.freshness import Freshness
from tenure.verifier.index import Index, Revocation

log = logging.getLogger("tenure.verify")

_PROOFS_PER_STALENESS = 10
_WATCHES_PER_STALENESS = 2
_MOMENT = timedelta(seconds=60)
_ALIVE = {Code.VALID, Code.FORBIDDEN, Code.SUSPENDED, Code.PENDING}
_NO_LIST = "the first list isn't complete yet"
_DUMMY = "sha256:" + "0" * 64
"""Compared if there is no key, so that the answer for an unknown id takes as long as for a wrong secret."""


class StaleError(TenureError):
    """The verifier can't answer now, for example because its data may be older than `--max-staleness`."""


@dataclass(frozen=True)
class Answer:
    """The decision about a token, and why it was revoked if it is no longer in any ApiKey."""

    decision: Decision
    revocation: Revocation | None = None
    proven: bool = True
    """Whether the token's secret was right. Only then does its bearer get the code."""

    key_id: str | None = None
    """The token's public id, or None if the text isn't a token."""

    @property
    def namespace(self) -> str | None:
        """The namespace of the key, or None if the verifier doesn't know the key."""
        if self.decision.holding is not None:
            return self.decision.holding.api_key.namespace
        return self.revocation.namespace if self.revocation is not None else None

    @property
    def is_dead(self) -> bool:
        """Whether somebody still uses a token that was revoked.

        A known id with a wrong secret isn't such a use, unless the token's hash is no longer known.
        """
        credible = self.proven or (self.revocation is not None and self.revocation.hash is None)
        return credible and self.namespace is not None and self.decision.code not in _ALIVE


def look_up(index: Index, text: str, question: Question, now: datetime) -> Answer | Holding:
    """Decide about a token from the index.

    A Holding is returned instead of an Answer if the key's Membership in the index is too old to decide. Read that
    Membership from the API server first.
    """
    try:
        token = Token(text)
    except MalformedTokenError:
        return Answer(Decision(Code.MALFORMED), proven=False)
    # The steps are the same for an unknown id, a revoked key and a wrong secret, so the time doesn't tell them apart.
    presented = token.hash
    key, revocation = index.key(presented), index.revocation(token.key_id, now)
    stored = key.status.hash if key is not None else revocation.hash if revocation is not None else None
    proven = hmac.compare_digest((stored or _DUMMY).encode(), presented.encode())
    if key is None or not proven:
        code = revocation.code if revocation is not None else Code.NOT_FOUND
        return Answer(Decision(code), revocation, proven, token.key_id)
    holding = index.holding(key)
    decision = decide(holding, question, now)
    if decision is None or _is_ahead(decision, key, now):
        return holding
    return Answer(decision, key_id=token.key_id)


def _is_ahead(decision: Decision, key: ApiKey, now: datetime) -> bool:
    """Tell whether the Membership that seems to be gone may only be missing in the index yet.

    This is so if the token was issued less than a minute ago.
    """
    stamp = key.status.issued
    return decision.code is Code.MEMBERSHIP_GONE and stamp is not None and now - stamp.at < _MOMENT


class Verifier:
    """Decides whether tokens are valid, and keeps the index that it needs for this."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        max_staleness: float,
        namespaces: Sequence[str] = (),
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Watch the given namespaces, or all if there are none. A token of another namespace is unknown."""
        self._cluster = cluster
        self._now = now
        self._max_staleness = max_staleness
        self._watch_seconds = int(max_staleness / _WATCHES_PER_STALENESS)
        self._index = Index()
        self._places: Sequence[str | None] = namespaces or (None,)
        self._feeds = {place: [Feed(resource, place) for resource in KINDS] for place in self._places}
        feeds = [feed for feeds in self._feeds.values() for feed in feeds]
        self._unlisted = set(feeds)
        self._freshness = Freshness(feeds)
        self._restarts = {feed: asyncio.Event() for feed in feeds}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Future[list[None]]]:
        """Keep the index up to date and prove its freshness, while the block runs.

        The block gets a future that is done only if one of these tasks fails.
        """
        tasks = [asyncio.create_task(self._feed(feed), name=str(feed)) for feed in self._restarts]
        tasks.append(asyncio.create_task(self._prove(), name="freshness"))
        async with together(*tasks) as working:
            yield working

    def why_not_ready(self) -> str:
        """Return the reason why the verifier can't answer now, or "" if it can.

        It can once every namespace was listed, as long as the data of one of them is fresh enough. Otherwise lost
        rights in one namespace would make it answer for none.
        """
        return _NO_LIST if self._unlisted else self._why_stale(min(map(self._age, self._places)))

    async def measure(self) -> list[Reading]:
        """Return the readings of the verifier's gauges: the number of keys, and the time of each kind's proof."""
        offset = time.time() - asyncio.get_running_loop().time()
        proofs = {
            kind: min(self._freshness.proven(feed) for feed in self._restarts if feed.resource is kind)
            for kind in KINDS
        }
        return [
            Reading(VERIFIER_KEYS, len(self._index)),
            *(Reading(VERIFIER_PROOF, max(at + offset, 0.0), (kind.kind,)) for kind, at in proofs.items()),
        ]

    async def verify(self, text: str, question: Question) -> Answer:
        """Decide about a token.

        Raises:
            StaleError: the index isn't fresh enough, or the key's Membership can't be read.
        """
        answer = look_up(self._index, text, question, self._now())
        if reason := self._why_not_sure(answer, question):
            raise StaleError(reason)
        if isinstance(answer, Answer):
            return answer
        holding = await self._afresh(answer)
        decision = decide(holding, question, self._now())
        return Answer(decision or Decision(Code.PENDING, holding), key_id=answer.api_key.status.key_id)

    def _why_not_sure(self, answer: Answer | Holding, question: Question) -> str:
        """Return the reason why an answer may be wrong, or "".

        An answer about a key needs fresh data of the key's namespace. One about an unknown token needs that of the
        namespace that the question names, because a key of another one gets no access, or else of all namespaces.
        """
        namespace = answer.namespace if isinstance(answer, Answer) else answer.api_key.namespace
        namespace = namespace or question.namespace
        if namespace in self._feeds:
            return self._why_stale(self._age(namespace))
        return self._why_stale(max(map(self._age, self._places)))

    def _age(self, place: str | None) -> float:
        """Return the age of the data of a namespace, or of all of them if it is None."""
        return self._freshness.age(self._feeds[place], asyncio.get_running_loop().time())

    def _why_stale(self, age: float) -> str:
        if age <= self._max_staleness:
            return ""
        if age == float("inf"):
            return _NO_LIST
        return f"the verifier's data is {age:.0f} s old, and the maximum is {self._max_staleness:.0f} s"

    async def _afresh(self, holding: Holding) -> Holding:
        """Read the key's Membership from the API server, because the index is behind the key's stamp."""
        key = holding.api_key
        try:
            member = await self._cluster.get(Membership, key.namespace, key.holder)
        except ObjectNotFoundError:
            return replace(holding, membership=None)
        except TenureError as error:
            # The text of the error goes to the caller, who may not know the member's name.
            text = "Can't read Membership %s/%s now: %s"
            warn_once_a_minute(log, cause_of(error, key.namespace, key.holder), text, key.namespace, key.holder, error)
            raise StaleError("the verifier can't read the key's Membership now") from error
        return replace(holding, membership=member)

    async def _feed(self, feed: Feed) -> None:
        async for news in follow(self._cluster, feed, self._restarts[feed], watch_seconds=self._watch_seconds):
            match news:
                case Listed(objects, version, asked_at):
                    if self._freshness.went_back(feed, version):
                        self._begin_anew(feed.resource, version)
                    index = self._index
                    await index.replace(feed.resource, objects, self._now(), namespace=feed.namespace)
                    if index is not self._index:  # etcd was restored during this, so the list may be older.
                        continue
                    self._freshness.begin(feed, version, asked_at)
                    self._unlisted.discard(feed)
                case Changed(body, deleted, version):
                    self._index.change(feed.resource, body, deleted=deleted, now=self._now())
                    self._freshness.reach(feed, version)
                case _:
                    self._freshness.reach(feed, news.version)

    async def _prove(self) -> None:
        while True:
            await asyncio.sleep(self._max_staleness / _PROOFS_PER_STALENESS)
            for place in self._places:
                if self._max_staleness < (age := self._age(place)) < float("inf"):
                    # etcd may have been restored meanwhile, and a watch that is resumed wouldn't report it.
                    where = f" of namespace {place}" if place else ""
                    text = "The data%s is %.0f s old. Listing all its objects again"
                    warn_once_a_minute(log, place, text, where, age)
                    self._read_anew(place)
            for resource in KINDS:
                try:
                    await self._prove_one(resource)
                except TenureError as error:
                    text = "Can't check now whether the data on %s is current: %s"
                    warn_once_a_minute(log, cause_of(error, resource), text, resource.plural, error)

    async def _prove_one(self, resource: type[Resource]) -> None:
        reached = {feed: self._freshness.reached(feed) for feed in self._restarts if feed.resource is resource}
        asked_at, version = await self._store_version(resource)
        for feed, before in reached.items():
            if before >= 0 and not self._freshness.ask(feed, version, asked_at, reached=before):
                self._begin_anew(resource, version)
                return

    async def _store_version(self, resource: type[Resource]) -> tuple[float, int]:
        """Return the store's version, and when it was asked for.

        The version is the same for all namespaces, so the first one that may be listed is enough.
        """
        for place in self._places[:-1]:
            asked_at = asyncio.get_running_loop().time()
            with contextlib.suppress(ForbiddenError):
                return asked_at, await self._cluster.version(resource, place)
        asked_at = asyncio.get_running_loop().time()
        return asked_at, await self._cluster.version(resource, self._places[-1])

    def _begin_anew(self, seen: type[Resource], version: int) -> None:
        """Drop the index of all kinds and relist after a restore of etcd, because all kinds are in the same store."""
        log.error(
            "The resourceVersion of %s went back to %d, as after a restore of etcd. Listing all objects again",
            seen.plural,
            version,
        )
        self._index = Index()
        for place in self._places:
            self._read_anew(place)

    def _read_anew(self, place: str | None) -> None:
        """List the objects of a namespace again, or of all of them if it is None."""
        for feed in self._feeds[place]:
            self._freshness.forget(feed)
            self._restarts[feed].set()
