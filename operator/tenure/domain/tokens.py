"""The token: the secret that a program presents, and the one class that parses and prints it.

`tnr_<key id: 12><underscore><secret: 32><checksum: 6>`, all in base62. The key id is public (logs, status and
metrics may show it). The secret carries 190 bits. The checksum is the CRC-32 of all before it, so that scanners and
servers reject a typo without looking anything up; it protects nothing.
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
"""How many random bytes `Token.mint` takes: 16 for the key id and 32 for the secret, far more than either keeps,
so that the remainder's bias is below 2^-57."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHAPE = re.compile(rf"{PREFIX}_([0-9A-Za-z]{{{KEY_ID_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}})")


class Token:
    """An API key's token; its `str` and `repr` are redacted, `reveal()` is the only way to the text."""

    __slots__ = ("_text", "key_id")

    def __init__(self, text: str) -> None:
        """Take a token's text.

        Raises:
            MalformedTokenError: `text` has the wrong shape or checksum.
        """
        match = _SHAPE.fullmatch(text)
        if match is None or _checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
            raise MalformedTokenError("not a token of Tenure: its format or checksum is wrong")
        self._text = text
        self.key_id: str = match[1]

    @classmethod
    def mint(cls, entropy: bytes) -> Self:
        """Make a token of `ENTROPY_BYTES` random bytes; equal bytes make equal tokens."""
        if len(entropy) != ENTROPY_BYTES:
            raise ValueError(f"a token needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
        key_id = _base62(int.from_bytes(entropy[:16]), KEY_ID_LENGTH)
        secret = _base62(int.from_bytes(entropy[16:]), SECRET_LENGTH)
        body = f"{PREFIX}_{key_id}_{secret}"
        return cls(body + _checksum(body))

    def reveal(self) -> str:
        """The token's text, for the Secret's data and nothing else."""
        return self._text

    @property
    def hash(self) -> str:
        """`sha256:<hex>` of the text: a secret of 190 bits needs no slow hash."""
        return "sha256:" + hashlib.sha256(self._text.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Token({PREFIX}_{self.key_id}_••••••)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token can't be serialized: Tenure writes it to its Secret only")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    """The last `length` base62 digits of `number`; two at a time, so `length` is even."""
    pairs = []
    for _ in range(length // 2):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))
