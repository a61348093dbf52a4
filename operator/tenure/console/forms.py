"""The forms of the console: what a person was shown, sealed for that person and that change."""

import base64
import hmac
import json
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tenure.domain.policy import MAX_KEYS_PER_MEMBER
from tenure.errors import StartRefusedError
from tenure.process.http_pages import read_body

MAX_BODY_BYTES = 512 * 1024
"""Maximum size of a form. An invitation of 2,000 addresses has about 100 kB, and is in it twice."""

MAX_FIELDS = 8
"""Maximum number of fields of a form, apart from its tick boxes."""

LEAST_KEY_BYTES = 32

TICKED = "keep"
"""The field that a form has once for each ticked box. Their values become one, with commas between them."""

_TYPE = "application/x-www-form-urlencoded"
_BAD, _UNSUPPORTED = 400, 415


@dataclass(frozen=True)
class Seals:
    """Seals forms. The key is new at each start unless it is given, so forms of another start are worth nothing."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @classmethod
    def from_file(cls, file: Path | None) -> Self:
        """Return seals with the key of a file, which all replicas have, or with a new key if there is none.

        Raises:
            StartRefusedError: the file can't be read, or its key is too short.
        """
        if file is None:
            return cls()
        try:
            key = file.read_bytes()
        except OSError as error:
            raise StartRefusedError(f"--form-key-file={file}: {error.strerror}") from error
        if len(key) < LEAST_KEY_BYTES:
            raise StartRefusedError(
                f"--form-key-file={file} has fewer than {LEAST_KEY_BYTES} bytes. Make one: openssl rand -base64 32"
            )
        return cls(key)

    def seal(self, username: str, subject: str, seen: str) -> str:
        """Return the token of a form: for one user, one change of one object, and what was shown."""
        text = json.dumps([username, subject, seen])
        return hmac.new(self.key, text.encode(), "sha256").hexdigest()

    def is_sealed(self, username: str, subject: str, fields: Mapping[str, str]) -> bool:
        """Return whether a form was made by this console for this user and this change."""
        expected = self.seal(username, subject, fields.get("seen", ""))
        return hmac.compare_digest(expected.encode(), fields.get("token", "").encode())


async def read_fields(request: Request) -> Mapping[str, str]:
    """Return the fields of a form.

    Raises:
        HTTPException: it isn't a form, it is too large, or a field is there twice.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise HTTPException(_UNSUPPORTED, f"Send a form: Content-Type: {_TYPE}")
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        most = MAX_FIELDS + MAX_KEYS_PER_MEMBER
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=most, errors="strict")
    except ValueError:
        raise HTTPException(_BAD, "The form can't be read") from None
    others = [(name, value) for name, value in pairs if name != TICKED]
    if len(dict(others)) != len(others):
        raise HTTPException(_BAD, "A field of the form is there twice")
    return {**dict(others), TICKED: ",".join(value for name, value in pairs if name == TICKED)}


def pack(facts: Mapping[str, str]) -> str:
    """Return facts as a short field of a form."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(facts).encode(), 9)).decode()


def unpack(text: str) -> Mapping[str, str]:
    """Return the facts of a field that this console sealed."""
    found: Mapping[str, str] = json.loads(zlib.decompress(base64.urlsafe_b64decode(text)))
    return found
