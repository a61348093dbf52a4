"""Who may learn more of a token than whether it is valid: whoever may `create` `organizations/verify`."""

import logging

from tenure.domain.admission.authority import Permission
from tenure.domain.resources import Organization
from tenure.errors import RejectedError, TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.reviews import authenticate, is_permitted
from tenure.verify.verifier import Answer, StaleError

log = logging.getLogger("tenure.verify")


class Callers:
    """Asks the API server about callers, each time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def may_learn(self, bearer: str | None, answer: Answer) -> bool:
        """Whether the bearer of a Kubernetes token may learn all about an answer.

        Raises:
            StaleError: the API server can't be asked now.
        """
        if bearer is None or answer.namespace is None:
            return False
        permission = Permission("create", Organization.plural, answer.namespace, "", subresource="verify")
        try:
            caller = await authenticate(self._cluster, bearer)
            return caller is not None and await is_permitted(self._cluster, caller, permission)
        except RejectedError:
            return False
        except TenureError as error:
            log.warning("who a caller is can't be asked now: %s", error)
            raise StaleError("who you are can't be asked of the API server") from error
