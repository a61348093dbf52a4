"""Creates, parses and redacts tokens, the secrets that programs present.

`tnr_<key id: 12><underscore><secret: 32><checksum: 6>`, all in base62. A narrowed token, which is limited to some
capabilities, has `n_` before its secret, so that versions of Tenure without this limit don't know its form. The key id
is public (logs, status and metrics may show it). The secret carries 190 bits. The checksum is the CRC-32 of everything
before it. It lets scanners and servers reject a typo without a lookup, but it doesn't make the token any safer.
"""

import hashlib
import re
import zlib
from typing import NoReturn, Self

from tenure.errors import MalformedTokenError

PREFIX = "tnr"
KEY_ID_LENGTH = 12
SECRET_LENGTH = 32
CHECKSUM_LENGTH = 6
ENTROPY_BYTES = 48
"""Number of random bytes that `Token.mint` takes: 16 for the key id and 32 for the secret. Both keep far fewer, so
the bias of the remainder is below 2^-57."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_NARROWED = "n_"
_NARROWED_HASH = "narrowed-"
_SHAPE = re.compile(
    rf"{PREFIX}_([0-9A-Za-z]{{{KEY_ID_LENGTH}}})_({_NARROWED})?[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}"
)


class Token:
    """An API key's token. Its `str` and `repr` are redacted, and only `reveal()` returns the text."""

    __slots__ = ("_text", "key_id", "narrowed")

    def __init__(self, text: str) -> None:
        """Parse a token's text.

        Raises:
            MalformedTokenError: `text` has the wrong shape or checksum.
        """
        match = _SHAPE.fullmatch(text)
        if match is None or _checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
            raise MalformedTokenError("not a token of Tenure: its format or checksum is wrong")
        self._text = text
        self.key_id: str = match[1]
        self.narrowed = match[2] is not None

    @classmethod
    def mint(cls, entropy: bytes, *, narrowed: bool = False) -> Self:
        """Create a token from `ENTROPY_BYTES` random bytes. Equal bytes give equal tokens.

        Pass `narrowed` if its stamp limits it to some capabilities.

        Raises:
            ValueError: `entropy` has another length.
        """
        if len(entropy) != ENTROPY_BYTES:
            raise ValueError(f"a token needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
        key_id = _base62(int.from_bytes(entropy[:16]), KEY_ID_LENGTH)
        secret = _base62(int.from_bytes(entropy[16:]), SECRET_LENGTH)
        body = f"{PREFIX}_{key_id}_{_NARROWED if narrowed else ''}{secret}"
        return cls(body + _checksum(body))

    def reveal(self) -> str:
        """Return the token's text. Use it only for the Secret's data."""
        return self._text

    @property
    def hash(self) -> str:
        """`sha256:<hex>` of the text. A secret of 190 bits needs no slow hash.

        A narrowed token's has the prefix `narrowed-`, which versions without this limit can't match.
        """
        prefix = _NARROWED_HASH if self.narrowed else ""
        return f"{prefix}sha256:" + hashlib.sha256(self._text.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Token({PREFIX}_{self.key_id}_••••••)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token can't be serialized: Tenure writes it to its Secret only")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)


def is_narrowed(token_hash: str | None) -> bool:
    """Return whether a hash is that of a narrowed token."""
    return token_hash is not None and token_hash.startswith(_NARROWED_HASH)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    """Return the last `length` base62 digits of `number`. It converts two at a time, so `length` must be even."""
    pairs = []
    for _ in range(length // 2):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))
