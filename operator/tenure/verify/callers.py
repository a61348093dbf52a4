"""Who may learn more of a token than whether it is valid: whoever may `create` `organizations/verify`."""

import asyncio
import logging

from tenure.domain.admission.authority import Permission
from tenure.domain.resources import Organization
from tenure.errors import RejectedError, TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.reviews import authenticate, is_permitted
from tenure.verify.verifier import Answer, StaleError

_LONGEST_SECONDS = 15.0
_AT_ONCE = 8
"""Questions about callers at the same time: connections stay free for the watches and the proofs of freshness."""

log = logging.getLogger("tenure.verify")


class Callers:
    """Asks the API server about callers, each time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def may_learn(self, bearer: str | None, answer: Answer) -> bool:
        """Whether the bearer of a Kubernetes token may learn all about an answer.

        Raises:
            StaleError: the API server can't be asked now.
        """
        if bearer is None or answer.namespace is None:
            return False
        permission = Permission("create", Organization.plural, answer.namespace, "", subresource="verify")
        try:
            async with asyncio.timeout(_LONGEST_SECONDS), self._turns:
                caller = await authenticate(self._cluster, bearer)
                return caller is not None and await is_permitted(self._cluster, caller, permission)
        except RejectedError:
            return False
        except (TenureError, TimeoutError) as error:
            log.warning("who a caller is can't be asked now: %s", str(error) or "too many ask at once")
            raise StaleError("who you are can't be asked of the API server") from error
