"""The rounds of the leader: find the letters that are due, send some, and write down what became of them.

A letter is sent at least once. Before it is sent, the ledger says so, because the limits must hold across crashes.
Afterwards first the status says so, and then the ledger. A crash in between sends the same letter again, with the same
Message-ID.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from jinja2 import TemplateError

from tenure.domain.letters.delivery import (
    Fields,
    is_written,
    rejected_fields,
    sent_fields,
    waiting_fields,
)
from tenure.domain.letters.ledger import Ledger
from tenure.domain.letters.letter import Letter, LetterKind
from tenure.domain.letters.limits import DAY
from tenure.domain.letters.rates import Limits
from tenure.domain.letters.record import KeyRecord
from tenure.domain.letters.reports import Report, held_reports, language_remark, language_report
from tenure.domain.letters.words import on_one_line
from tenure.domain.resources import Membership
from tenure.errors import ApiError, ConflictError, ObjectNotFoundError, StartRefusedError, TenureError
from tenure.kube.breaker import Loop
from tenure.kube.cluster import Cluster
from tenure.mail.letters.backoff import Backoff
from tenure.mail.letters.content import language_of, place_of
from tenure.mail.letters.desk import Desk
from tenure.mail.letters.ledger_map import LedgerMap, RecordMap
from tenure.mail.letters.outbox import Outbox, look
from tenure.mail.letters.reports import Reports
from tenure.mail.letters.smtp import MAX_WORDS, Answer, Connect, Outcome, ServerTroubleError, Smtp
from tenure.mail.letters.statuses import report_rejection, save
from tenure.mail.store import Store
from tenure.observability.mail_catalogue import LETTERS
from tenure.observability.metrics import Meter

log = logging.getLogger("tenure.mail")

BATCH = 20
"""Maximum number of letters in a round."""

_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 15.0
_GRACE_SECONDS = 2.0


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Rounds:
    """Sends the letters that are due."""

    cluster: Cluster
    store: Store
    ledger_map: LedgerMap
    record_map: RecordMap
    desk: Desk
    connect: Connect | None
    """Opens a connection to the mail server, or None if there is none."""

    limits: Limits
    clock: Callable[[], datetime]
    meter: Meter
    backoff: Backoff = field(default_factory=Backoff)
    outbox: Outbox = field(default_factory=Outbox)
    """What the latest round found."""

    trouble: str = ""
    """Why the latest round failed, for people. Empty if it didn't."""

    waits_since: datetime | None = None
    """Since when a letter that no limit holds back has waited."""

    _reports: Reports = field(init=False)
    _idle: asyncio.Event = field(default_factory=_set_event)
    _ledger: Ledger | None = None
    _record: KeyRecord = field(default_factory=KeyRecord)
    _dirty: bool = False
    """Whether the ledger has changed since it was stored."""

    _unsaved: dict[str, tuple[Letter, Fields, Outcome]] = field(default_factory=dict)
    """Letters that were sent, and whose status couldn't be written."""

    def __post_init__(self) -> None:
        self._reports = Reports(self.cluster)

    async def work(self, leads: Callable[[], bool]) -> None:
        """Make rounds while this replica leads, forever."""
        while True:
            await self.cluster.turn(Loop.WORK)
            self.store.changed.clear()
            if leads() and not self.store.why_not_ready():
                self._idle.clear()
                try:
                    await self._try_round(leads)
                finally:
                    self._idle.set()
            await asyncio.sleep(_PAUSE_SECONDS)
            await _done_within(self.store.changed.wait(), _LOOK_SECONDS)

    async def finish(self) -> None:
        """Wait a moment for the letter under way, so that it needn't be repeated. `leads` must be false by now."""
        await _done_within(self._idle.wait(), _GRACE_SECONDS)

    async def _try_round(self, leads: Callable[[], bool]) -> None:
        try:
            while await self.round(leads) and leads():
                continue
        except StartRefusedError as error:
            self._fail(str(error))
        except (ConflictError, ObjectNotFoundError) as error:
            log.info("Another process wrote the ledger or the record of keys, so both are read again: %s", error)
            self._ledger = None
        except ApiError as error:
            self._fail(f"the API server can't be used: {error}")
        except TenureError as error:
            self._fail(str(error))
        else:
            self.trouble = ""

    def _fail(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.error("No letter is sent: %s", trouble)
        self.trouble = trouble

    async def round(self, leads: Callable[[], bool] = lambda: True) -> bool:
        """Make one round, and return whether letters were sent and there may be more.

        Raises:
            TenureError: the ledger can't be read or written.
        """
        now = self.clock().replace(microsecond=0)
        if self._ledger is None:
            self._record = await self.record_map.load()
            self._ledger = await self.ledger_map.load(now)
        self.outbox, changed = await look(self.store, self._ledger, self._record, self.limits, now)
        await self.record_map.store(self._record, now)
        self._dirty |= changed
        self.backoff.keep({letter.id for letter in self.outbox.ready})
        await self._save_unsaved(now)
        await self._tell_who_waits()
        await self._reports.post(self._warnings(), now)
        batch = self._batch(now)
        self._measure_wait(now)
        if batch and self.connect is not None:
            return await self._send(batch, self.connect, now, leads)
        if self._dirty:
            await self._store_ledger()
        return False

    def _batch(self, now: datetime) -> list[Letter]:
        if not self.backoff.server_may_try(now):
            return []
        ready = [one for one in self.outbox.ready if one.id not in self._unsaved and self.backoff.may_try(one.id, now)]
        return ready[:BATCH]

    def _measure_wait(self, now: datetime) -> None:
        waiting = [one for one in self.outbox.ready if one.id not in self._unsaved]
        self.waits_since = (self.waits_since or now) if waiting and self.connect is not None else None

    async def _send(self, batch: Sequence[Letter], connect: Connect, now: datetime, leads: Callable[[], bool]) -> bool:
        """Send some letters, and return whether one was sent."""
        fresh = deque([letter for letter in batch if await self._is_current(letter)])
        sent = 0
        try:
            async with connect() as smtp:
                self.backoff.server_works()
                await self._claim(fresh, now)
                while fresh and leads() and smtp.usable:
                    letter = fresh.popleft()  # If this is cancelled, nobody knows what became of the letter.
                    try:
                        outcome = await self._send_one(smtp, letter, now)
                    except ServerTroubleError:
                        fresh.appendleft(letter)
                        raise
                    sent += outcome is Outcome.SENT
        except ServerTroubleError as error:
            self._server_fails(str(error), now)
            await self._save_all((letter, waiting_fields(str(error))) for letter in fresh)
        finally:
            for letter in fresh:
                self._book.postpone(letter)
            if self._dirty:
                await asyncio.shield(self._store_ledger())
        return sent > 0

    async def _claim(self, letters: Iterable[Letter], now: datetime) -> None:
        for letter in letters:
            self._book.claim(letter, now)
            self._dirty = True
        if self._dirty:
            await self._store_ledger()
            self._dirty = True  # What becomes of the letters follows.

    async def _send_one(self, smtp: Smtp, letter: Letter, now: datetime) -> Outcome:
        try:
            message, expires_at = self.desk.write(letter, now)
        except (TemplateError, ValueError) as error:
            log.warning("The letter %s to %s can't be written: %s", letter.kind.value, place_of(letter.member), error)
            words = on_one_line(f"the letter can't be written: {error}", MAX_WORDS)
            answer, expires_at = Answer(Outcome.LATER, words), None
        else:
            answer = await smtp.send(message)
        await self._take(letter, answer, expires_at)
        return answer.outcome

    async def _store_ledger(self) -> None:
        await self.ledger_map.store(self._book)
        self._dirty = False

    @property
    def _book(self) -> Ledger:
        if self._ledger is None:
            raise LookupError("the ledger wasn't loaded")
        return self._ledger

    async def _is_current(self, letter: Letter) -> bool:
        """Return whether the member is as the letter says, by a consistent read. The watch may be behind."""
        member = letter.member
        try:
            fresh = await self.cluster.get(Membership, member.namespace, member.name)
        except ObjectNotFoundError:
            return False
        same = fresh.metadata.uid == member.metadata.uid and fresh.metadata.generation == member.metadata.generation
        return same and not fresh.metadata.deleting and fresh.status.invitation == member.status.invitation

    async def _take(self, letter: Letter, answer: Answer, expires_at: datetime | None) -> None:
        """Write down what became of a letter."""
        now = self.clock().replace(microsecond=0)
        self.meter.count(LETTERS, letter.kind.value, answer.outcome.value)
        log.info("Letter %s to %s: %s %s", letter.kind.value, place_of(letter.member), answer.outcome, answer.words)
        entry = self._book.entry(letter)
        outcome = answer.outcome
        if outcome is Outcome.LATER and entry is not None and now >= entry.at + DAY:
            outcome = Outcome.REJECTED
        if outcome is Outcome.LATER:
            self._book.postpone(letter)
        if outcome in {Outcome.LATER, Outcome.UNKNOWN}:
            self.backoff.fail(letter.id, now)
            await self._save_all([(letter, waiting_fields(answer.words))])
            return
        if outcome is Outcome.REJECTED:
            await report_rejection(self.cluster, letter, answer.words, now)
            fields = rejected_fields(letter, answer.words)
        else:
            wanted = language_of(letter.organization)
            remark = language_remark(wanted, self.desk.templates.language(wanted))
            fields = sent_fields(letter, now, expires_at, remark)
        self._unsaved[letter.id] = letter, fields, outcome
        await self._save_unsaved(now)

    async def _save_unsaved(self, now: datetime) -> None:
        """Write the statuses of letters that were sent. After that, the ledger says that they are done."""
        for name, (letter, fields, _) in list(self._unsaved.items()):
            if letter.kind is LetterKind.INVITED and not await save(self.cluster, letter.member, fields):
                continue
            self._book.finish(letter, now)
            self._dirty = True
            if letter.kind in {LetterKind.KEYS_EXPIRING, LetterKind.KEYS_REVOKED}:
                self._book.tell(letter, now)
            del self._unsaved[name]

    async def _tell_who_waits(self) -> None:
        """Write the statuses of letters that a limit holds back, and of members without an address."""
        for member, fields in self.outbox.untold:
            await save(self.cluster, member, fields)

    def _warnings(self) -> list[Report]:
        """Return what Events say about the latest look."""
        reports = [*held_reports(self.outbox.held)]
        for organization in self.outbox.organizations:
            wanted = language_of(organization)
            report = language_report(organization, wanted, self.desk.templates.language(wanted))
            reports += [] if report is None else [report]
        return reports

    async def _save_all(self, news: Iterable[tuple[Letter, Fields]]) -> None:
        for letter, fields in news:
            if letter.kind is LetterKind.INVITED and not is_written(fields, letter.member.status.invitation):
                await save(self.cluster, letter.member, fields)

    def _server_fails(self, trouble: str, now: datetime) -> None:
        if trouble != self.backoff.trouble:
            log.warning("The mail server can't be used, so letters wait: %s", trouble)
        self.backoff.server_fails(trouble, now)


async def _done_within(work: Awaitable[object], seconds: float) -> None:
    """Wait for some work, at most so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return
