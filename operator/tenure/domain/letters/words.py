"""Cleans names for letters, so that nobody can put a link or another sentence into somebody's mail."""

import re
from unicodedata import category, normalize

MAX_NAME = 64

_SECRET = re.compile(r"\S*/invitations/\S*|[A-Za-z0-9_-]{48,}")
"""A link of an invitation, or a part of its token, which a mail server may have cut or wrapped."""

_SIGNS = "-_'&()"


def cleaned(text: str, most: int = MAX_NAME) -> str:
    """Return a name with letters, digits, blanks and `-_'&()` only.

    Mail programs turn `evil.example` and `@evil` into links, even in plain text, so a dot or a colon becomes a blank.
    A name of which nothing is left is `-`.
    """
    kept = "".join(one if _is_plain(one) else " " for one in normalize("NFC", text[: 4 * most]))
    short = " ".join(kept.split())
    return (short if len(short) <= most else f"{short[: most - 1].rstrip()}…") or "-"


def on_one_line(text: str, most: int) -> str:
    """Return what a mail server answered in printable ASCII on one line, because it goes into a status."""
    plain = "".join(one if " " <= one <= "~" else " " for one in text)
    short = " ".join(plain.split())
    return short if len(short) <= most else f"{short[: most - 3]}..."


def without_secrets(text: str, address: str) -> str:
    """Return what a mail server answered without the address and without a link that it repeats from the letter.

    It goes into logs, which name no addresses, and into a status that more people can read than may accept.
    """
    named = re.sub(re.escape(address), "(address)", text, flags=re.IGNORECASE) if address else text
    return _SECRET.sub("(link)", named)


def _is_plain(one: str) -> bool:
    return one in _SIGNS or category(one) in {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd"}
