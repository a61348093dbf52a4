"""Find the key in the headers of a request: in `X-Api-Key`, or in `Authorization` as Bearer or as a Basic password."""

import base64
from collections.abc import Sequence

from tenure.verifier.http.errors import BadRequestError

_BLANKS = " \t"
"""Blanks around a header's value aren't part of it (RFC 9110, 5.5)."""


def bearer_of(authorization: Sequence[str]) -> str | None:
    """Return the bearer token, or None if there is none or more than one `Authorization` header."""
    scheme, token = _only(authorization)
    return token if scheme == "bearer" and token else None


def key_of(api_keys: Sequence[str], authorization: Sequence[str]) -> str | None:
    """Return the key that a request presents, or None. Beside `X-Api-Key`, other schemes than Bearer are ignored.

    Git, Maven, pip and Prometheus send a key as the password of Basic, with any user name.

    Raises:
        BadRequestError: there is more than one key.
    """
    keys = api_keys and [key for value in api_keys if (key := value.strip(_BLANKS))]
    if not keys:
        scheme, credentials = _only(authorization)
        if scheme == "bearer":
            return credentials or None
        return _password(credentials) if scheme == "basic" else None
    if len(keys) > 1 or (authorization and any(bearer_of((value,)) for value in authorization)):
        raise BadRequestError("Send one token, in Authorization or in X-Api-Key")
    return keys[0]


def _only(authorization: Sequence[str]) -> tuple[str, str]:
    """Return the scheme in lower case and the credentials, or two empty texts unless there is exactly one header."""
    if len(authorization) != 1:
        return "", ""
    scheme, _, credentials = authorization[0].strip(_BLANKS).partition(" ")
    return scheme.lower(), credentials.strip(_BLANKS)


def _password(credentials: str) -> str | None:
    try:
        _, _, password = base64.b64decode(credentials, validate=True).decode("latin-1").partition(":")
    except ValueError:  # It isn't base64, or not even ASCII.
        return None
    return password or None
