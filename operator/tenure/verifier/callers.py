"""Ask the API server which callers get more than an answer about their own token, by a virtual subresource.

Details of a token take the right to `create` `organizations/verify` in its namespace, and the record of use the right
to `get` `organizations/usage`.
"""

import asyncio
import hashlib
import logging
from collections.abc import Sequence

from cachetools import TTLCache

from tenure.domain.permissions import Permission
from tenure.domain.resources import Organization
from tenure.errors import RejectedError, TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.reviews import authenticate, is_permitted
from tenure.observability.log_limits import cause_of, warn_once_a_minute
from tenure.verifier.verifier import StaleError

KNOWN_SECONDS = 5.0
"""How long the verifier caches the API server's answer about a caller."""

_MOST_KNOWN = 10_000
"""Maximum number of cached answers."""
_LONGEST_SECONDS = 15.0
"""Time limit of a check, including the wait for its turn."""
_AT_ONCE = 8
"""Maximum number of concurrent checks. The other connections stay free for the watches and the proofs of freshness."""

log = logging.getLogger("tenure.verify")


class Callers:
    """Asks the API server about callers, and caches the answers."""

    def __init__(
        self, cluster: Cluster, audiences: Sequence[str] = (), *, verb: str = "create", subresource: str = "verify"
    ) -> None:
        """Accept only Kubernetes tokens for one of the audiences, or tokens for the API server if there are none.

        `verb` and `subresource` are the right on Organizations that callers need.
        """
        self._cluster = cluster
        self._right = verb, subresource
        self._audiences = audiences
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._known: TTLCache[tuple[bytes, str], bool] = TTLCache(_MOST_KNOWN, KNOWN_SECONDS)

    async def may_learn(self, bearer: str, namespace: str) -> bool:
        """Tell whether the bearer of a Kubernetes token may learn about the keys in a namespace ("": in all).

        Raises:
            StaleError: the API server doesn't answer now.
        """
        place = (hashlib.sha256(bearer.encode("latin-1")).digest(), namespace)
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = await self._ask(bearer, namespace)
        return known

    async def _ask(self, bearer: str, namespace: str) -> bool:
        verb, subresource = self._right
        permission = Permission(verb, Organization.plural, namespace, "", subresource=subresource)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS), self._turns:
                caller = await authenticate(self._cluster, bearer, self._audiences)
                return caller is not None and await is_permitted(self._cluster, caller, permission)
        except RejectedError:
            return False
        except (TenureError, TimeoutError) as error:
            text = "The API server can't be asked about a caller now: %s"
            warn_once_a_minute(log, cause_of(error), text, str(error) or "too many requests at once")
            raise StaleError("the verifier can't check your Kubernetes token now") from error
