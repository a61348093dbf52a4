"""The record of keys: the working keys as they were last seen, so that a key that vanishes is missed.

A deleted ApiKey leaves no object behind, and a raised revision leaves the new token only. So the record is compared
with the objects, after a restart too. It has no token and no hash of one.
"""

import json
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from tenure.domain.conditions import find_condition
from tenure.domain.letters.revoked import NOTICE_LIFE, Gone, find_gone
from tenure.domain.reasons import ConditionType
from tenure.domain.resources import ApiKey
from tenure.domain.resources.apikey import ApiKeySpec, ApiKeyStatus
from tenure.domain.tokens import is_narrowed

MAX_BYTES = 900_000
"""Maximum size. A ConfigMap may have 1 MiB. Keys beyond it are missed only while the process runs."""

MAX_GONE = 10_000
"""Maximum number of keys that are remembered after they vanished."""

MAX_DESCRIPTION = 120
"""How much of a description is kept."""

BYTES_A_SECOND = 15_000
"""How much is written on average at most. So a record of some keys is written at once, and a large one each minute."""

_VERSION = 1
_RESERVE = 64_000
"""How much the compression may still hold back when the size is checked."""

Place = tuple[str, str]


class RecordError(ValueError):
    """The stored record can't be read."""


class KeyRecord:
    """The working keys of the organizations that tell their members of revoked keys, and those that vanished."""

    def __init__(self) -> None:
        """Create an empty record."""
        self._known: dict[Place, ApiKey] = {}
        self._gone: list[Gone] = []
        self._stored_at: datetime | None = None
        self._stored_bytes = 0
        self._news = self._dirty = False

    @property
    def gone(self) -> list[Gone]:
        """The keys that vanished in the last days."""
        return self._gone

    def compare(self, api_keys: Iterable[ApiKey], namespaces: Container[str], now: datetime) -> None:
        """Find out which keys vanished, and take over the present ones of some namespaces. Others are forgotten."""
        present = {(one.namespace, one.name): one for one in api_keys}
        vanished = [
            gone
            for place, old in self._known.items()
            if place[0] in namespaces and (gone := find_gone(old, present.get(place), now)) is not None
        ]
        recent = [one for one in [*self._gone, *vanished] if now < one.at + NOTICE_LIFE][-MAX_GONE:]
        known = {place: one for place, one in present.items() if place[0] in namespaces and _works(one)}
        self._news |= bool(vanished)
        self._dirty |= bool(vanished) or len(recent) != len(self._gone) or _tokens(known) != _tokens(self._known)
        self._known, self._gone = known, recent

    def should_store(self, now: datetime) -> bool:
        """Return whether it is time to store the record: at once if a key vanished, otherwise not too often."""
        pause = timedelta(seconds=self._stored_bytes / BYTES_A_SECOND)
        return self._news or (self._dirty and (self._stored_at is None or now >= self._stored_at + pause))

    def stored(self, content: bytes, now: datetime) -> None:
        """Note that the record was stored."""
        self._stored_at, self._stored_bytes = now, len(content)
        self._news = self._dirty = False

    def to_bytes(self) -> bytes:
        """Return the record as it is stored: those that vanished, and as many keys as fit."""
        packer = zlib.compressobj()
        packed = packer.compress(_line({"version": _VERSION}))
        for row in self._rows():
            packed += packer.compress(_line(row))
            if len(packed) > MAX_BYTES - _RESERVE:
                break
        return packed + packer.flush()

    def _rows(self) -> Iterator[Mapping[str, object]]:
        yield from ({"at": int(one.at.timestamp()), "key": _body(one.api_key)} for one in self._gone)
        yield from ({"key": _body(one)} for _, one in sorted(self._known.items()))

    @classmethod
    def from_bytes(cls, content: bytes) -> "KeyRecord":
        """Read a stored record.

        Raises:
            RecordError: it isn't one of this version.
        """
        record = cls()
        try:
            head, *rows = (json.loads(line) for line in zlib.decompress(content).splitlines())
            if head != {"version": _VERSION}:
                raise RecordError(f"it isn't a record of version {_VERSION}")
            for row in rows:
                key = ApiKey.from_body(row["key"])
                if "at" in row:
                    record._gone.append(Gone(key, datetime.fromtimestamp(row["at"], UTC)))
                else:
                    record._known[key.namespace, key.name] = key
        except (zlib.error, ValidationError, ValueError, KeyError, TypeError) as error:
            raise RecordError(str(error).partition("\n")[0]) from error
        return record


def _works(key: ApiKey) -> bool:
    """Return whether a key has a token of its present revision. Whether that was revoked is judged once it vanished."""
    status = key.status
    return status.issued is not None and status.secret_uid is not None and key.revision == status.issued.revision


def _tokens(keys: Mapping[Place, ApiKey]) -> Mapping[Place, str | None]:
    return {place: one.status.key_id for place, one in keys.items()}


def _line(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _body(key: ApiKey) -> Mapping[str, object]:
    """Return the parts of a key that decide whether it worked, and that its letter names. There is no hash in it."""
    metadata, spec, status = key.metadata, key.spec, key.status
    ready = find_condition(status.conditions, ConditionType.READY)
    kept = ApiKey(
        metadata=metadata.model_copy(update={"resource_version": "", "gitops_mark": None}),
        spec=ApiKeySpec(
            membership=spec.membership,
            access=spec.access,
            description=spec.description and spec.description[:MAX_DESCRIPTION],
            capabilities=spec.capabilities,
            for_role=spec.for_role,
            ttl=spec.ttl,
            expires_at=spec.expires_at,
            revision=spec.revision,
            suspended=spec.suspended,
        ),
        status=ApiKeyStatus(
            conditions=[] if ready is None else [ready.model_copy(update={"message": ""})],
            key_id=status.key_id,
            hash="narrowed-sha256:" if is_narrowed(status.hash) else "sha256:",
            secret_uid="-",  # noqa: S106 - only whether there is a Secret counts
            issued=status.issued,
            expires_at=status.expires_at,
            last_used=status.last_used,
        ),
    )
    return kept.model_dump(by_alias=True, mode="json", exclude_defaults=True)
