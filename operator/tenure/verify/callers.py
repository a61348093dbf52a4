"""Who may learn more of a token than whether it is valid: whoever may `create` `organizations/verify`."""

from tenure.domain.admission.authority import Permission
from tenure.domain.resources import Organization
from tenure.kube.cluster import Cluster
from tenure.kube.reviews import authenticate, is_permitted
from tenure.verify.verifier import Answer


class Callers:
    """Asks the API server about callers, each time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def may_learn(self, bearer: str | None, answer: Answer) -> bool:
        """Whether the bearer of a Kubernetes token may learn all about an answer."""
        if bearer is None or answer.namespace is None:
            return False
        caller = await authenticate(self._cluster, bearer)
        if caller is None:
            return False
        permission = Permission("create", Organization.plural, answer.namespace, "", subresource="verify")
        return await is_permitted(self._cluster, caller, permission)
