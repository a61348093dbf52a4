"""Puts the parts together that send letters, and prints the letters instead for `--dry-run`."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from tenure.domain.invitations.links import SigningKey
from tenure.kube.cluster import Cluster
from tenure.mail.letters.content import place_of
from tenure.mail.letters.desk import Desk
from tenure.mail.letters.ledger_map import LedgerMap, RecordMap
from tenure.mail.letters.outbox import Outbox, look
from tenure.mail.letters.rounds import Rounds
from tenure.mail.letters.smtp import connector
from tenure.mail.letters.templates import Templates
from tenure.mail.signing import SigningKeys
from tenure.mail.store import Store
from tenure.observability.mail_catalogue import LETTERS_WAITING, MAIL_OLDEST, MAIL_SERVER_TROUBLE
from tenure.observability.metrics import Meter, Reading
from tenure.process.clock import utc_now
from tenure.settings import MailSettings

_LEDGER_PURPOSE = b"tenure ledger of letters\0"
_NO_KEY = b"no letter is sent without signing keys"


class Letters:
    """The letters of a process. Only the leader sends them."""

    store: Store
    _rounds: Rounds

    def __init__(self, settings: MailSettings) -> None:
        """Load templates and signing keys, because a mistake in them prevents the start.

        Raises:
            StartRefusedError: one of them can't be used.
        """
        self._settings = settings
        self.signing = None if settings.signing_keys is None else SigningKeys(settings.signing_keys)
        self.desk = Desk(Templates(settings.templates), settings.mail_from, settings.base_url, self._keys)

    def prepare(self, cluster: Cluster, store: Store, meter: Meter) -> None:
        """Create the rounds. Without a mail server they only note which letters are held back."""
        server, settings = self._settings.mail_server, self._settings
        self.store = store
        self._rounds = Rounds(
            cluster=cluster,
            store=store,
            ledger_map=LedgerMap(cluster, settings.system_namespace, ledger_key(self._keys())),
            record_map=RecordMap(cluster, settings.system_namespace),
            desk=self.desk,
            connect=None if server is None else connector(server),
            limits=settings.limits,
            clock=utc_now,
            meter=meter,
        )

    async def send(self, leads: Callable[[], bool]) -> None:
        """Send the letters that are due while this replica leads, and read the signing keys again, forever."""
        if self.signing is None:
            await self._rounds.work(leads)
        else:
            await asyncio.gather(self._rounds.work(leads), self.signing.keep())

    async def finish(self) -> None:
        """Wait a moment for the letter under way."""
        await self._rounds.finish()

    async def measure(self, leads: Callable[[], bool]) -> list[Reading]:
        """Return the readings of the gauges about letters. Only the leader knows them."""
        now, rounds = utc_now(), self._rounds
        outbox = rounds.outbox if leads() else Outbox()
        return [
            Reading(LETTERS_WAITING, len(outbox.ready), ("ready",)),
            Reading(LETTERS_WAITING, len(outbox.held), ("held",)),
            Reading(MAIL_OLDEST, _seconds_since(rounds.waits_since if leads() else None, now)),
            Reading(MAIL_SERVER_TROUBLE, _seconds_since(rounds.backoff.trouble_since, now)),
        ]

    async def print_due(self) -> None:
        """Print the letters that are due now, and write nothing."""
        rounds = self._rounds
        while self.store.why_not_ready():  # noqa: ASYNC110 - only for a moment, at the start
            await asyncio.sleep(0.05)
        now = utc_now().replace(microsecond=0)
        ledger, record = await rounds.ledger_map.load(now), await rounds.record_map.load()
        outbox, _ = await look(self.store, ledger, record, rounds.limits, now)
        print(_printed(outbox, rounds.desk, now), flush=True)  # noqa: T201 - the process ends without Python's own end

    def _keys(self) -> Sequence[SigningKey]:
        return () if self.signing is None else self.signing.keys


def ledger_key(keys: Sequence[SigningKey]) -> bytes:
    """Return the secret with which the ledger hashes addresses.

    It is made of the oldest signing key. So a new key that is added doesn't make the ledger forget. Once the oldest one
    is removed, the limits begin anew.
    """
    return keys[-1].sign(_LEDGER_PURPOSE, b"") if keys else _NO_KEY


def _printed(outbox: Outbox, desk: Desk, now: datetime) -> str:
    lines: list[str] = []
    for letter in outbox.ready:
        message, _ = desk.write(letter, now)
        body = message.get_body(("plain",))
        lines += [
            f"=== {letter.kind.value} to {letter.address} ({place_of(letter.member)})",
            f"Subject: {message['Subject']}\n",
            str(body.get_content() if body is not None else ""),
        ]
    for held in outbox.held:
        to = f"{held.letter.kind.value} to {held.letter.address} ({place_of(held.letter.member)})"
        lines.append(f"=== held until {held.until:%Y-%m-%d %H:%M} UTC: {to}, because {held.reason}")
    lines += [f"=== no address: {place_of(member)}" for member in outbox.homeless]
    counts = f"{len(outbox.ready)} now, {len(outbox.held)} held back, {len(outbox.homeless)} without an address"
    return "\n".join([*lines, f"Letters: {counts}. None was sent."])


def _seconds_since(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max((now - moment) / timedelta(seconds=1), 0.0)
