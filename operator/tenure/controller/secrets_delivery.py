"""Delivers a token in a Secret: creates one, or adopts one of an interrupted attempt. It leaves foreign ones alone."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from tenure.controller.blocked import ObstructedError
from tenure.domain.conditions import ready_reason
from tenure.domain.planning.apikeys import new_stamp
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.apikey import Stamp
from tenure.domain.secret import SecretFacts, is_adoptable, secret_body
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure.errors import AlreadyExistsError, ConflictError, ForbiddenError, RejectedError
from tenure.kube.cluster import Cluster
from tenure.kube.secrets import create_secret, delete_secret, get_secret

_ATTEMPTS = 3


@dataclass(frozen=True)
class Delivery:
    """A token, the stamp with the tenure that it was issued under, and the uid of its Secret."""

    token: Token
    stamp: Stamp
    secret_uid: str


async def deliver(cluster: Cluster, observation: ApiKeyObservation) -> Delivery:
    """Create the key's Secret with a new token, or adopt the Secret of an interrupted attempt.

    Raises:
        ObstructedError: a Secret of the name isn't the key's, or the API server rejects the Secret.
        ConflictError: other writers keep changing the Secret. Try again.
    """
    key, stamp = observation.api_key, new_stamp(observation, observation.now)
    if ready_reason(key.status.conditions) == Reason.SECRET_CONFLICT:
        # Read the Secret before the write, so that nothing is written while the conflict lasts.
        _refuse_foreign(await get_secret(cluster, key.namespace, key.name), observation)
    for _ in range(_ATTEMPTS):
        token = Token.mint(secrets.token_bytes(ENTROPY_BYTES))
        try:
            facts = await create_secret(cluster, _body(observation, token, stamp))
        except AlreadyExistsError:
            existing = await get_secret(cluster, key.namespace, key.name)
            _refuse_foreign(existing, observation)
            if existing is None:
                continue
            if is_adoptable(existing, key, stamp) and existing.token is not None:
                return _delivery(existing, existing.token, stamp)
            await confirm(cluster, key)
            await delete_secret(cluster, key.namespace, key.name, existing.uid)
        except (RejectedError, ForbiddenError) as error:
            raise ObstructedError(
                Reason.SECRET_REJECTED, f"The API server rejects Secret {key.name}: {error}"
            ) from error
        else:
            return _delivery(facts, token, stamp)
    raise ConflictError(f"Secret {key.namespace}/{key.name} keeps changing")


async def confirm(cluster: Cluster, key: ApiKey) -> None:
    """Check that `key` is the latest version, before deleting a Secret that its status doesn't name.

    Raises:
        ConflictError: it isn't, so the Secret may hold a token that was issued since.
    """
    latest = await cluster.get(ApiKey, key.namespace, key.name)
    if latest.metadata.resource_version != key.metadata.resource_version:
        raise ConflictError(f"ApiKey {key.namespace}/{key.name} is newer than it was judged by")


def _body(observation: ApiKeyObservation, token: Token, stamp: Stamp) -> dict[str, object]:
    if observation.membership is None or observation.organization is None:
        raise ValueError("a token is issued under a Membership and an Organization")
    return secret_body(
        observation.api_key, token, stamp, observation.membership.spec.subject.kind, observation.organization
    )


def _refuse_foreign(facts: SecretFacts | None, observation: ApiKeyObservation) -> None:
    key = observation.api_key
    if facts is not None and not facts.is_owned_by(key):
        raise ObstructedError(
            Reason.SECRET_CONFLICT,
            f"Not issued: Secret {key.name} exists and isn't this key's, so Tenure doesn't change it. Delete the "
            "Secret, for example after a restore from a backup that had Secrets, and Tenure issues the key.",
        )


def _delivery(facts: SecretFacts, token: Token, stamp: Stamp) -> Delivery:
    """The delivery, whose time of issue is the Secret's creation, so that it is by the API server's clock."""
    issued = stamp.model_copy(update={"at": datetime.fromisoformat(facts.created)})
    return Delivery(token, issued, facts.uid)
