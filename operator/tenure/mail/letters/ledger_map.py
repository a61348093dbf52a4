"""Keeps the ledger of letters and the record of keys, each in a ConfigMap of its own."""

import asyncio
import logging
from datetime import datetime

from tenure.domain.letters.ledger import Ledger, LedgerError
from tenure.domain.letters.record import KeyRecord, RecordError
from tenure.errors import StartRefusedError
from tenure.kube.cluster import Cluster
from tenure.kube.names import MAIL_KEYS, MAIL_LEDGER
from tenure.mail.letters.stored import StoredBytes

log = logging.getLogger("tenure.mail")


class LedgerMap:
    """The ConfigMap of the ledger."""

    def __init__(self, cluster: Cluster, namespace: str, key: bytes) -> None:
        """`key` is the secret with which addresses are hashed."""
        self._stored = StoredBytes(cluster, namespace, MAIL_LEDGER, "ledger")
        self._namespace = namespace
        self._key = key

    async def load(self, now: datetime) -> Ledger:
        """Read the ledger, or begin one.

        Raises:
            StartRefusedError: it can't be read. Without it no limit holds, so no letter is sent.
            ApiError: the API server can't be asked.
        """
        try:
            content = await self._stored.load()
            return Ledger(self._key, now) if content is None else Ledger.from_bytes(self._key, content)
        except (ValueError, LedgerError) as error:
            raise StartRefusedError(
                f"ConfigMap {self._namespace}/{MAIL_LEDGER} isn't Tenure's ledger of letters ({error}), so no "
                f"letter is sent. If you can do without its limits for a day, delete it: kubectl delete configmap "
                f"{MAIL_LEDGER} -n {self._namespace}"
            ) from error

    async def store(self, ledger: Ledger) -> None:
        """Write the ledger, unless another process wrote it since it was read.

        Raises:
            ConflictError: it changed. Load it again.
            ObjectNotFoundError: it was deleted. Load it again.
        """
        await self._stored.store(ledger.to_bytes())


class RecordMap:
    """The ConfigMap of the record of keys."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._stored = StoredBytes(cluster, namespace, MAIL_KEYS, "keys")

    async def load(self) -> KeyRecord:
        """Read the record, or begin one.

        Raises:
            ApiError: the API server can't be asked.
        """
        try:
            content = await self._stored.load()
            return KeyRecord() if content is None else await asyncio.to_thread(KeyRecord.from_bytes, content)
        except (ValueError, RecordError) as error:
            log.warning("The record of keys begins anew, because ConfigMap %s can't be read: %s", MAIL_KEYS, error)
            return KeyRecord()

    async def store(self, record: KeyRecord, now: datetime) -> None:
        """Write the record if it is time to.

        Raises:
            ConflictError: another process wrote it. Load it again.
            ObjectNotFoundError: it was deleted. Load it again.
        """
        if record.should_store(now):
            content = await asyncio.to_thread(record.to_bytes)
            await self._stored.store(content)
            record.stored(content, now)
