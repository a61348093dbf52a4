"""Delivers a token in a Secret: creates it, changes it in place, or adopts it. It leaves foreign ones alone."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from tenure.controller.blocked import ObstructedError
from tenure.domain.conditions import ready_reason
from tenure.domain.planning.key_status import new_stamp
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey
from tenure.domain.resources.stamp import Stamp
from tenure.domain.secret import SecretFacts, fence_patch, is_adoptable, secret_body, secret_patch
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure.errors import AlreadyExistsError, ConflictError, ForbiddenError, ObjectNotFoundError, RejectedError
from tenure.kube.cluster import Cluster
from tenure.kube.secrets import create_secret, delete_secret, get_secret, patch_secret

_ATTEMPTS = 3


@dataclass(frozen=True)
class Delivery:
    """A token, the stamp with the tenure that it was issued under, and the uid of its Secret."""

    token: Token
    stamp: Stamp
    secret_uid: str


async def deliver(cluster: Cluster, observation: ApiKeyObservation) -> Delivery:
    """Write a new token into the key's Secret, or adopt the Secret of an interrupted attempt.

    A Secret that the status names is changed in place, so that there is no moment without one. Any other Secret of the
    key is a leftover, and is replaced.

    Raises:
        ObstructedError: a Secret of the name isn't the key's, or the API server rejects the Secret.
        ConflictError: other writers keep changing the Secret. Try again.
    """
    key, stamp = observation.api_key, new_stamp(observation, observation.now, observation.recipient)
    existing = None
    if key.status.secret_uid is not None or ready_reason(key.status.conditions) == Reason.SECRET_CONFLICT:
        # During a conflict too, so that nothing is written while it lasts.
        existing = await get_secret(cluster, key.namespace, key.name)
    for _ in range(_ATTEMPTS):
        _refuse_foreign(existing, observation)
        if existing is not None and is_adoptable(existing, key, stamp) and existing.token is not None:
            return _delivery(existing, existing.token, stamp, observation)
        token = mint(stamp)
        if existing is not None:
            await confirm(cluster, key)
        with refusals_told(key):
            try:
                if existing is not None and existing.uid == key.status.secret_uid:
                    facts = await write_in_place(cluster, observation, existing, token, stamp)
                else:
                    if existing is not None:
                        await delete_secret(cluster, key.namespace, key.name, existing.uid)
                    facts = await create_secret(cluster, _body(observation, token, stamp))
            except (AlreadyExistsError, ConflictError, ObjectNotFoundError):
                existing = await get_secret(cluster, key.namespace, key.name)
            else:
                return _delivery(facts, token, stamp, observation)
    raise ConflictError(f"Secret {key.namespace}/{key.name} keeps changing")


async def write_in_place(
    cluster: Cluster, observation: ApiKeyObservation, facts: SecretFacts, token: Token, stamp: Stamp
) -> SecretFacts:
    """Write a token into the key's present Secret, if that is still as it was read."""
    key = observation.api_key
    organization = observation.tenure_named(stamp.membership or "").organization
    if organization is None:
        raise ValueError("a token is issued under an Organization")
    patch = secret_patch(_body(observation, token, stamp), facts, organization)
    return await patch_secret(cluster, key.namespace, key.name, patch)


async def fence(cluster: Cluster, observation: ApiKeyObservation, token: Token) -> None:
    """Keep another process from delivering the token that it announced, before this one announces another.

    The other one may have been paused just before its delivery. It read the Secret while it led, so it fails now.
    """
    key, facts = observation.api_key, observation.secret.facts if observation.secret else None
    if key.status.next is not None and facts is not None:
        await patch_secret(cluster, key.namespace, key.name, fence_patch(facts, token.key_id))


def mint(stamp: Stamp) -> Token:
    """Create a random token, in the form that goes with its stamp."""
    return Token.mint(secrets.token_bytes(ENTROPY_BYTES), narrowed=stamp.capabilities is not None)


@contextmanager
def refusals_told(key: ApiKey) -> Iterator[None]:
    """Turn the API server's refusal of a Secret into an ObstructedError."""
    try:
        yield
    except (RejectedError, ForbiddenError) as error:
        raise ObstructedError(Reason.SECRET_REJECTED, f"The API server rejects Secret {key.name}: {error}") from error


async def confirm(cluster: Cluster, key: ApiKey) -> None:
    """Check that `key` is the latest version, before deleting or changing a Secret that may hold a newer token.

    Raises:
        ConflictError: it isn't, so the Secret may hold a token that was issued since.
    """
    latest = await cluster.get(ApiKey, key.namespace, key.name)
    if latest.metadata.resource_version != key.metadata.resource_version:
        raise ConflictError(f"ApiKey {key.namespace}/{key.name} is newer than it was judged by")


def _body(observation: ApiKeyObservation, token: Token, stamp: Stamp) -> dict[str, object]:
    membership, organization = observation.tenure_named(stamp.membership or "")
    if membership is None or organization is None:
        raise ValueError("a token is issued under a Membership and an Organization")
    return secret_body(observation.api_key, token, stamp, membership.spec.subject.kind, organization)


def _refuse_foreign(facts: SecretFacts | None, observation: ApiKeyObservation) -> None:
    key = observation.api_key
    if facts is not None and not facts.is_owned_by(key):
        raise ObstructedError(
            Reason.SECRET_CONFLICT,
            f"Not issued: Secret {key.name} exists and isn't this key's, so Tenure doesn't change it. Delete the "
            "Secret, for example after a restore from a backup that had Secrets, and Tenure issues the key.",
        )


def _delivery(facts: SecretFacts, token: Token, stamp: Stamp, observation: ApiKeyObservation) -> Delivery:
    """The delivery, whose time of issue is when the Secret was written, so that it is by the API server's clock."""
    in_place = facts.uid == observation.api_key.status.secret_uid
    at = facts.written_at(observation.now) if in_place else datetime.fromisoformat(facts.created)
    issued = stamp.model_copy(update={"at": at})
    return Delivery(token, issued, facts.uid)
