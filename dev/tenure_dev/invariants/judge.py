"""The invariants that stored objects show once everything is at rest, judged without Tenure's own code.

docs/operations/soak-test.md lists them. A second opinion is worth something only if it is
formed independently, so nothing here imports `tenure`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tenure_dev.invariants.stored import (
    Body,
    RecordedToken,
    Stored,
    is_deleting,
    name_of,
    owner_uid,
    ready,
    recorded_tokens,
    status_of,
    token_hash,
)

GRACE = timedelta(seconds=60)
"""An expired token may still be recorded for so long, because the controller needs a moment on a busy machine."""


@dataclass(frozen=True)
class Violation:
    """An invariant that doesn't hold."""

    invariant: str
    where: str
    """The object, as <plural>/<namespace>/<name>."""
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.where}: {self.what}"


def violations(stored: Stored) -> Iterator[Violation]:
    """Give everything that is wrong with what is stored. It may only be asked when nothing is left to do."""
    for organization in stored.organizations:
        yield from _has_owner(organization, stored)
    for kind, bodies in (
        ("organizations", stored.organizations),
        ("memberships", stored.memberships),
        ("apikeys", stored.keys),
    ):
        for body in bodies:
            yield from _describes_itself(kind, body)
    for key in stored.keys:
        yield from _has_its_secret(key, stored)
        for token in recorded_tokens(key):
            yield from _is_current(token, stored)
            yield from _has_not_expired(token, stored)
    yield from _secrets_have_keys(stored)
    yield from _tokens_are_unique(stored)


def _is_current(token: RecordedToken, stored: Stored) -> Iterator[Violation]:
    """I-1 and I-17: each token was issued under the present role of its member, in the organization of the member."""
    where, member = _where("apikeys", token.key), stored.member_of.get(token.holder)
    if member is None or is_deleting(member) or member["metadata"]["uid"] != token.stamp["membershipUID"]:
        yield Violation("I-1", where, f"its {token.what} works, and the Membership of its stamp is gone")
        return
    person = member["spec"]["subject"]["kind"] == "User"
    follows = person or token.key["spec"].get("forRole") or token.stamp.get("forRole")
    generation = member["metadata"]["generation"]
    if follows and token.stamp["membershipGeneration"] != generation:
        text = f"its {token.what} is of generation {token.stamp['membershipGeneration']} of its member's {generation}"
        yield Violation("I-1", where, text)
    organization = stored.organization_of.get((token.holder[0], member["spec"]["organization"]))
    uid = None if organization is None or is_deleting(organization) else organization["metadata"]["uid"]
    if uid != token.stamp["organizationUID"]:
        yield Violation("I-17", where, f"its {token.what} was issued in another organization than its member's")


def _has_its_secret(key: Body, stored: Stored) -> Iterator[Violation]:
    """I-3: a key with a token has exactly one Secret, which it owns, with that token in it. Others have none."""
    status, where = status_of(key), _where("apikeys", key)
    secrets = stored.secrets_of.get(key["metadata"]["uid"], ())
    uid, reason = status.get("secretUID"), ready(key).get("reason")
    if ready(key).get("status") == "True" and uid is None:
        yield Violation("I-3", where, "it is Ready without a Secret")
    if uid is None:
        yield from (Violation("I-3", where, f"it is {reason} and has a Secret") for _ in secrets)
        return
    if [secret["metadata"]["uid"] for secret in secrets] != [uid]:
        yield Violation("I-3", where, f"it is {reason} and has {len(secrets)} Secrets, or another than it records")
        return
    (secret,) = secrets
    if name_of(secret) != name_of(key):
        yield Violation("I-3", where, f"its Secret has the name {name_of(secret)[1]}")
    narrowed = str(status.get("hash")).startswith("narrowed-")
    if token_hash(secret, narrowed=narrowed) != status.get("hash"):
        yield Violation("I-3", where, "its Secret holds another token than it records")


def _secrets_have_keys(stored: Stored) -> Iterator[Violation]:
    """I-5: each Secret of Tenure's has a key that exists."""
    uids = {key["metadata"]["uid"] for key in stored.keys if not is_deleting(key)}
    for secrets in stored.secrets_of.values():
        for secret in secrets:
            if owner_uid(secret) not in uids:
                yield Violation("I-5", _where("secrets", secret), "no ApiKey owns it")


def _has_owner(organization: Body, stored: Stored) -> Iterator[Violation]:
    """I-6: an Organization has an Owner."""
    if is_deleting(organization):
        return
    namespace, name = name_of(organization)
    owners = (
        member
        for member in stored.memberships
        if member["metadata"]["namespace"] == namespace
        and member["spec"]["organization"] == name
        and member["spec"]["role"] == "Owner"
        and not is_deleting(member)
    )
    if next(owners, None) is None:
        yield Violation("I-6", _where("organizations", organization), "it has no Owner")


def _describes_itself(kind: str, body: Body) -> Iterator[Violation]:
    """I-22: a status describes the present spec."""
    seen, generation = status_of(body).get("observedGeneration"), body["metadata"]["generation"]
    if seen != generation and not is_deleting(body):
        yield Violation("I-22", _where(kind, body), f"its status describes generation {seen} of {generation}")


def _has_not_expired(token: RecordedToken, stored: Stored) -> Iterator[Violation]:
    """I-23: no token works after its end."""
    if token.ends is not None and token.ends + GRACE <= stored.now:
        yield Violation("I-23", _where("apikeys", token.key), f"its {token.what} works, and expired at {token.ends}")


def _tokens_are_unique(stored: Stored) -> Iterator[Violation]:
    """I-3: no two keys record the same token."""
    counts = Counter(token.hash for key in stored.keys for token in recorded_tokens(key))
    for key in stored.keys:
        for token in recorded_tokens(key):
            if counts[token.hash] > 1:
                yield Violation("I-3", _where("apikeys", key), f"its {token.what} is recorded more than once")


def summary(found: Sequence[Violation], most: int = 20) -> str:
    """The first violations as text, one on a line, and the number of the others."""
    lines = [str(violation) for violation in found[:most]]
    return "\n".join([*lines, *([f"… and {len(found) - most} more"] if len(found) > most else [])])


def _where(plural: str, body: Body) -> str:
    return "/".join((plural, *name_of(body)))
