"""Makes and judges the signed links of invitations.

A token is `base64url(<uid>.<generation>.<expiry>.<mac>)`. The MAC is HMAC-SHA-256 over the text before it. Tenure
stores no token, because with a signing key it can make it again. It names the generation of the Membership, so a link
to a Viewer's role can't accept an Owner's, and its uid, so it dies with the Membership.

The page's form carries a second MAC. It shows that a person looked at the page before they accepted, which a program
that follows links doesn't do.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Self

from tenure.domain.resources import Membership

KEY_BYTES = 32
"""Minimum length of a signing key."""

MAX_LENGTH = 256
"""Maximum length of a token. A uid has 36 characters, so a token has about 112."""

FORM_LIFE = timedelta(hours=1)
"""How long a page's form can be sent. After that, the page asks again."""

REPEATED_WITHIN = timedelta(minutes=1)
"""How long after an acceptance the same form still gets the same answer, because people click twice."""

_PURPOSE_LINK, _PURPOSE_FORM = b"tenure invitation\0", b"tenure invitation form\0"
_DISTINCT = 16


@dataclass(frozen=True)
class SigningKey:
    """A key that signs links. Its text is redacted."""

    secret: bytes

    def __post_init__(self) -> None:
        """Reject a key that can be guessed.

        Raises:
            ValueError: it is too short, or not random.
        """
        if len(self.secret) < KEY_BYTES:
            raise ValueError(f"it has {len(self.secret)} bytes, and must have at least {KEY_BYTES}")
        if len(set(self.secret)) < _DISTINCT:  # Of 32 random bytes, fewer than 16 differ once in 10^17 keys.
            raise ValueError("its bytes repeat too often, so they aren't random")

    def __repr__(self) -> str:
        return "SigningKey(••••••)"

    __str__ = __repr__

    def sign(self, purpose: bytes, text: bytes) -> bytes:
        """Return the MAC of a text for a purpose."""
        return hmac.digest(self.secret, purpose + text, "sha256")


@dataclass(frozen=True)
class Claim:
    """The content of a link: it invites to the role that a Membership has in one generation."""

    uid: str
    generation: int
    expires_at: datetime

    @classmethod
    def of(cls, membership: Membership, expires_at: datetime) -> Self:
        """Return the claim of a Membership as it is. The expiry is cut to whole seconds."""
        return cls(membership.metadata.uid, membership.metadata.generation, expires_at.replace(microsecond=0))

    @property
    def _text(self) -> bytes:
        return f"{self.uid}.{self.generation}.{int(self.expires_at.timestamp())}".encode()

    def sign(self, keys: Sequence[SigningKey]) -> str:
        """Return the token of the link. The first key signs, which is the newest."""
        text = self._text
        return _encode(text + b"." + keys[0].sign(_PURPOSE_LINK, text))

    def sign_form(self, keys: Sequence[SigningKey], now: datetime) -> str:
        """Return the token of the form on the page of this link."""
        made = str(int(now.timestamp()))
        return f"{made}.{_encode(keys[0].sign(_PURPOSE_FORM, self._form_text(made)))}"

    def is_form(self, token: str, keys: Sequence[SigningKey], now: datetime) -> bool:
        """Return whether a form's token was made for this link, less than `FORM_LIFE` ago."""
        made, _, mac = token.partition(".")
        if not (made.isascii() and made.isdigit() and len(made) <= len("99999999999") and len(token) <= MAX_LENGTH):
            return False
        given = _decode(mac)
        genuine = given is not None and _is_signed(keys, _PURPOSE_FORM, self._form_text(made), given)
        return genuine and now - _instant(int(made)) <= FORM_LIFE

    def _form_text(self, made: str) -> bytes:
        return self._text + b"." + made.encode()


class Standing(Enum):
    """What a link is good for."""

    OPEN = "open"
    """It can be accepted."""

    JUST_ACCEPTED = "just accepted"
    """It was accepted a moment ago, so the same form gets the same answer."""

    DEAD = "dead"
    """It is good for nothing. The person isn't told why."""


def read_link(token: str, keys: Sequence[SigningKey]) -> Claim | None:
    """Return the claim of a link that one of the keys signed, or None.

    Every key is tried, and each comparison takes the same time, whatever the token is.
    """
    content = _decode(token) if len(token) <= MAX_LENGTH else None
    parts = content.split(b".", 3) if content is not None else []
    if len(parts) != len(("uid", "generation", "expiry", "mac")):
        return None
    text, mac = b".".join(parts[:3]), parts[3]
    if not _is_signed(keys, _PURPOSE_LINK, text, mac):
        return None
    uid, generation, expiry = (part.decode() for part in parts[:3])  # Signed, so Tenure wrote it.
    return Claim(uid, int(generation), _instant(int(expiry)))


def judge(claim: Claim, membership: Membership | None, now: datetime) -> Standing:
    """Judge a signed link by the Membership as the API server has it now.

    None means that there is no Membership of that uid, for example because it is in another cluster.
    """
    if membership is None or claim.uid != membership.metadata.uid or membership.metadata.deleting:
        return Standing.DEAD
    if claim.generation != membership.metadata.generation or now >= claim.expires_at or not membership.is_person:
        return Standing.DEAD
    invitation = membership.status.invitation
    accepted_at = invitation.accepted_at if invitation is not None else None
    if accepted_at is None:
        return Standing.OPEN
    return Standing.JUST_ACCEPTED if now - accepted_at <= REPEATED_WITHIN else Standing.DEAD


def _is_signed(keys: Sequence[SigningKey], purpose: bytes, text: bytes, mac: bytes) -> bool:
    genuine = [hmac.compare_digest(key.sign(purpose, text), mac) for key in keys]
    return any(genuine)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    """Return the content of a text in base64url, or None if `_encode` wouldn't have written it like that."""
    if not text.isascii():
        return None
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return content if _encode(content) == text else None
