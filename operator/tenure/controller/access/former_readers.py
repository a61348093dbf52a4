"""Waits until the API server denies a former holder the Secret of a key that was handed over."""

import asyncio

from tenure.controller.blocked import ObstructedError
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey
from tenure.errors import ForbiddenError
from tenure.kube.cluster import Cluster
from tenure.kube.reviews import find_reading_verb

PATIENCE = 5.0
"""Seconds that an API server may take to notice a changed Role. It takes milliseconds, because it watches them."""

_INTERVAL = 0.1


async def await_denial(cluster: Cluster, key: ApiKey, username: str, *, patience: float) -> None:
    """Return once the API server denies a user a key's Secret. Ask it again for `patience` seconds.

    Raises:
        ObstructedError: the user may read it all the same, by rights that Tenure didn't give, or Tenure can't ask.
    """
    deadline = asyncio.get_running_loop().time() + patience
    try:
        while verb := await find_reading_verb(cluster, username, key.namespace, key.name):
            if asyncio.get_running_loop().time() >= deadline:
                raise exposed(
                    f"It was {username}'s until the hand-over, and other rights than Tenure's let {username} read it. "
                    f"Take them away, or create another ApiKey for {key.spec.membership}. To check, run: kubectl auth "
                    f"can-i {verb} secret/{key.name} -n {key.namespace} --as {username}"
                )
            await asyncio.sleep(_INTERVAL)
    except ForbiddenError as error:
        raise exposed(
            f"Give the controller the right to ask, or start it with --kubernetes-access=Roles. ({error})"
        ) from error


def exposed(why: str) -> ObstructedError:
    """Return the error of a token that isn't stored, because somebody else could read it."""
    return ObstructedError(Reason.SECRET_EXPOSED, f"Not issued: another member could still read its Secret. {why}")
