"""Verifies ID tokens of an OpenID provider, for the mode in which the API server doesn't know them."""

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from starlette.datastructures import Headers

from tenure.errors import UnauthorizedError, UnavailableError

ALGORITHMS = ("RS256", "ES256")
"""The algorithms of signatures. Both need the provider's private key."""

REFRESH_SECONDS = 10.0
"""Minimum time between two questions for the provider's keys, because anybody can send tokens of unknown keys."""

SKEW_SECONDS = 10
"""How far the clocks of the provider and of this machine may differ."""

_TIMEOUT = aiohttp.ClientTimeout(total=10)
_DISCOVERY = "/.well-known/openid-configuration"
_REQUIRED = ("iss", "aud", "exp", "iat", "sub")
_RESERVED = "system:"
_MOST_CHARACTERS = 512
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,32768}=*")
_OK = 200


def bearer_of(headers: Headers) -> str:
    """Return the token of a request. No other header says who somebody is.

    Raises:
        UnauthorizedError: there is none, or more than one.
    """
    values = headers.getlist("authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or _TOKEN.fullmatch(token) is None:
        raise UnauthorizedError(
            "The proxy in front of the console passed no token on. It must send your ID token as Authorization: Bearer"
        )
    return token


@dataclass
class TokenVerifier:
    """Verifies ID tokens of one provider for one client.

    Attributes:
        issuer: The URL of the provider.
        client_id: The audience that tokens must have.
        claim: The claim with the user name.
        prefix: What Kubernetes puts before that name.
        ca_file: The authority of the provider's certificate, or None for those that this machine trusts.
    """

    issuer: str
    client_id: str
    claim: str
    prefix: str
    ca_file: Path | None = None
    _keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict, init=False)
    _asked_at: float = field(default=float("-inf"), init=False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def username(self, token: str) -> str:
        """Return the name that Kubernetes gives to the person of a token.

        Raises:
            UnauthorizedError: the token isn't valid, or proves no name that may be used.
            UnavailableError: the provider doesn't answer.
        """
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.client_id,
                issuer=self.issuer,
                leeway=SKEW_SECONDS,
                options={"require": [*_REQUIRED]},
            )
        except jwt.PyJWTError as error:
            raise UnauthorizedError(f"Your ID token isn't valid: {error}") from error
        return username_of(claims, self.claim, self.prefix)

    async def refresh(self) -> None:
        """Ask the provider for its keys.

        Raises:
            UnavailableError: it doesn't answer.
        """
        context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), timeout=_TIMEOUT, trust_env=True
        ) as session:
            try:
                configuration = await _read(session, self.issuer.rstrip("/") + _DISCOVERY)
                found = jwt.PyJWKSet.from_dict(await _read(session, _keys_url(configuration, self.issuer)))
            except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError, jwt.PyJWTError) as error:
                text = str(error) or "no answer in time"
                raise UnavailableError(f"The keys of the issuer {self.issuer} can't be read: {text}") from error
        self._keys = {str(key.key_id or ""): key for key in found.keys if key.public_key_use in {None, "sig"}}

    async def _key(self, name: str) -> jwt.PyJWK:
        async with self._asking:
            if name not in self._keys and time.monotonic() - self._asked_at >= REFRESH_SECONDS:
                self._asked_at = time.monotonic()
                await self.refresh()
        if name not in self._keys:
            raise jwt.InvalidKeyError("its key isn't one of the issuer's")
        return self._keys[name]


def username_of(claims: Mapping[str, Any], claim: str, prefix: str) -> str:
    """Return the name that Kubernetes gives to the person of a verified token.

    Raises:
        UnauthorizedError: there is none that may be used.
    """
    value = claims.get(claim)
    if not isinstance(value, str) or not value:
        raise UnauthorizedError(f"Your ID token has no claim {claim}")
    if claim == "email" and claims.get("email_verified") is not True:
        raise UnauthorizedError("Your e-mail address isn't verified (email_verified). Verify it where you log in")
    name = prefix + value
    # A header ends with the text's last character that isn't blank, so `olga ` would become `olga`.
    usable = name.isprintable() and name == name.strip() and len(name) <= _MOST_CHARACTERS
    if not usable or name.startswith(_RESERVED):
        raise UnauthorizedError(f"{name!r} can't be the name of a person in Kubernetes")
    return name


def _keys_url(configuration: Mapping[str, str], issuer: str) -> str:
    if configuration["issuer"] != issuer:
        raise ValueError(f"it calls itself {configuration['issuer']}")
    return configuration["jwks_uri"]


async def _read(session: aiohttp.ClientSession, url: str) -> Any:
    """Return a document, over HTTPS only, and without following the provider elsewhere."""
    if not url.startswith("https://"):
        raise ValueError(f"{url} isn't an https URL")
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status != _OK:
            raise ValueError(f"{url} answers {answer.status}")
        return await answer.json(content_type=None)
