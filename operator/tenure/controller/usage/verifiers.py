"""Asks every replica of the verifier when keys were used, with a token that nothing but this question accepts."""

import asyncio
import base64
import json
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import aiohttp
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from tenure.domain.usage.coverage import Coverage, Reply
from tenure.errors import StartRefusedError
from tenure.settings import RunSettings

log = logging.getLogger("tenure.usage")

AUDIENCE = "tenure-usage"
"""The only audience that the token may have."""

_SECONDS = 10.0
"""Time limit of a question."""
_MOST_BYTES = 32 * 1024 * 1024
"""Maximum size of an answer."""
_CHUNK_BYTES = 64 * 1024
_JWT_PARTS = 3


class SilentError(Exception):
    """A verifier gave no usable answer, or can't be asked."""


class _Answer(BaseModel):
    recordedSince: AwareDatetime  # noqa: N815 - as in the answer
    cursor: Annotated[str, Field(pattern="^[0-9]{1,18}$")]
    keys: dict[Annotated[str, Field(max_length=32)], AwareDatetime]


@dataclass(frozen=True)
class Verifiers:
    """Where the verifiers are, and how to ask them."""

    urls: Sequence[str]
    """URLs of verifiers. Each address of a URL's host is a replica."""

    token_file: Path
    ca_file: Path | None = None
    """The authority of their certificates. None, or no such file: those that this machine trusts."""

    server_name: str = ""
    """The name in their certificates. Empty: the host of the URL."""

    namespaces: Sequence[str] = ()
    """The namespaces to ask about. Empty means all."""

    @classmethod
    def of(cls, settings: RunSettings) -> Self | None:
        """Return what the settings say, or None if they turn the record of use off.

        Raises:
            StartRefusedError: there is a URL and no token.
        """
        if not settings.usage_urls:
            return None
        if settings.usage_token_file is None:
            raise StartRefusedError("--usage-url needs --usage-token-file, a token for the audience tenure-usage.")
        return cls(
            settings.usage_urls,
            settings.usage_token_file,
            settings.usage_ca_file,
            settings.usage_server_name,
            settings.namespaces,
        )

    async def ask(self, coverage: Coverage) -> Mapping[str, Reply | None]:
        """Ask every replica for what is new, and return the replies by address. None is one that doesn't answer.

        Without the addresses of all URLs nobody is asked, because a replica that isn't found isn't one that is gone.
        """
        found = [await _addresses(url) for url in self.urls]
        if not all(found):
            return {}
        places = [place for some in found for place in some]
        try:
            token = read_token(self.token_file)
            given = self.ca_file is not None and self.ca_file.exists()
            context = ssl.create_default_context(cafile=self.ca_file if given else None)
        except (SilentError, OSError) as error:
            log.warning("Verifiers can't be asked about the use of keys: %s", error)
            return dict.fromkeys(str(place) for place in places)
        async with AsyncExitStack() as stack:
            # A session of its own: that of the API server would show the API server's token.
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    headers={"Authorization": f"Bearer {token}", "User-Agent": "tenure"},
                    timeout=aiohttp.ClientTimeout(total=_SECONDS),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            )
            known = coverage.replicas
            cursors = [known[str(place)].cursor if str(place) in known else "" for place in places]
            replies = await asyncio.gather(
                *(self._reply(session, context, place, cursor) for place, cursor in zip(places, cursors, strict=True))
            )
        return {str(place): reply for place, reply in zip(places, replies, strict=True)}

    async def _reply(
        self, session: aiohttp.ClientSession, context: ssl.SSLContext, place: "_Place", cursor: str
    ) -> Reply | None:
        try:
            answers = [
                await self._read(session, context, place, {"namespace": namespace} if namespace else {}, cursor)
                for namespace in self.namespaces or ("",)
            ]
        except (SilentError, aiohttp.ClientError, TimeoutError, ValidationError) as error:
            reason = "its answer isn't one of a verifier" if isinstance(error, ValidationError) else str(error)
            log.warning("%s doesn't tell when keys were used: %s", place, reason or "no answer in time")
            return None
        # A restart between two of these answers makes the record begin later.
        since = max(answer.recordedSince for answer in answers)
        uses = {key_id: at for answer in answers for key_id, at in answer.keys.items()}
        return Reply(since, answers[0].cursor, uses)

    async def _read(
        self,
        session: aiohttp.ClientSession,
        context: ssl.SSLContext,
        place: "_Place",
        query: dict[str, str],
        cursor: str,
    ) -> _Answer:
        params = {**query, **({"since": cursor} if cursor else {})}
        options: dict[str, Any] = {}
        if place.scheme == "https":
            options = {"ssl": context, "server_hostname": self.server_name or place.host}
        # A redirect would take the token elsewhere.
        url = f"{place}/v1/usage"
        async with session.get(url, params=params, allow_redirects=False, **options) as answer:
            if answer.status != HTTPStatus.OK:
                raise SilentError(f"it answers {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise SilentError("its answer is too large")
        return _Answer.model_validate_json(bytes(body))


@dataclass(frozen=True)
class _Place:
    """A replica's address."""

    scheme: str
    address: str
    port: int
    host: str

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{address}:{self.port}"


async def _addresses(url: str) -> Sequence[_Place]:
    """Return the addresses of a URL's host, which are the pods if it is a headless Service."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        log.warning("Can't find the verifiers of %s: %s", url, error)
        return []
    return [_Place(parts.scheme, str(address), port, host) for address in sorted({one[4][0] for one in found})]


def read_token(path: Path) -> str:
    """Return the token for the question, which the kubelet renews.

    Raises:
        SilentError: the file can't be read, or the token is for another audience, so it must not be shown.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
        parts = token.split(".")
        payload = parts[1] if len(parts) == _JWT_PARTS else ""
        audience = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["aud"]
    except OSError as error:
        raise SilentError(f"--usage-token-file {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SilentError(f"--usage-token-file {path}: it has no ServiceAccount token") from error
    if audience not in (AUDIENCE, [AUDIENCE]):
        raise SilentError(
            f"--usage-token-file {path}: the token must be for the audience {AUDIENCE} alone. A verifier never gets "
            "another one"
        )
    return token
