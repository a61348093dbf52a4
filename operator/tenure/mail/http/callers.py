"""Limits refused callers of the API by who they say they are, so that strangers don't block the others.

Behind an ingress all callers have one address. So a limit by address would let a stranger's refused requests block
everyone. The API server decides who a caller is. The name in the token is only read to count.
"""

import base64
import binascii
import json
from collections import OrderedDict

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

REFUSED_PER_MINUTE = 60
"""Maximum number of refused requests of a caller in a minute. Then the API server isn't asked about them any more."""

UNKNOWN_PER_MINUTE = 600
"""Maximum number of refused requests in a minute of all callers whom the API server hasn't confirmed yet."""

_MOST_KNOWN = 1_000
_MINE, _ALL = RateLimitItemPerMinute(REFUSED_PER_MINUTE), RateLimitItemPerMinute(UNKNOWN_PER_MINUTE)
_UNKNOWN = "unknown"


def named_in(token: str, audience: str) -> str | None:
    """Return whom a token names, without checking it. Empty if it isn't a JWT, None if it is for another audience."""
    parts = token.split(".")
    if len(parts) != len(("header", "payload", "signature")):
        return ""
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return ""
    if not isinstance(payload, dict):
        return ""
    found = payload.get("aud")
    if audience not in (found if isinstance(found, list) else [found]):
        return None
    return f"{payload.get('iss')} {payload.get('sub')}"


class Callers:
    """Counts refused callers."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._known: OrderedDict[str, None] = OrderedDict()

    async def may_ask(self, name: str, source: str) -> bool:
        """Return whether the API server is to be asked about a caller of this name."""
        if not await self._limiter.test(_MINE, source, name):
            return False
        return name in self._known or await self._limiter.test(_ALL, _UNKNOWN)

    async def refused(self, name: str, source: str) -> None:
        """Count a caller whom the API server doesn't know, or who lacks the permission."""
        await self._limiter.hit(_MINE, source, name)
        if name not in self._known:
            await self._limiter.hit(_ALL, _UNKNOWN)

    def confirmed(self, name: str) -> None:
        """Remember a caller whom the API server knows."""
        self._known[name] = None
        self._known.move_to_end(name)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
