"""What is stored, indexed for the checks: plain JSON, as the API server returns it."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

Body = Mapping[str, Any]
Name = tuple[str, str]
"""Namespace and name."""

SECRET_TYPE = "tenure.dev/api-key"  # noqa: S105  (a type)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True)
class Stored:
    """All objects of Tenure's kinds, and the Secrets that may be theirs."""

    organizations: Sequence[Body]
    memberships: Sequence[Body]
    keys: Sequence[Body]
    secrets: Sequence[Body]
    now: datetime

    @cached_property
    def organization_of(self) -> Mapping[Name, Body]:
        """The Organizations by name."""
        return {name_of(body): body for body in self.organizations}

    @cached_property
    def member_of(self) -> Mapping[Name, Body]:
        """The Memberships by name."""
        return {name_of(body): body for body in self.memberships}

    @cached_property
    def key_of(self) -> Mapping[Name, Body]:
        """The ApiKeys by name."""
        return {name_of(body): body for body in self.keys}

    @cached_property
    def secrets_of(self) -> Mapping[str, Sequence[Body]]:
        """The Secrets by the uid of the ApiKey that controls them. "" has those without one."""
        found: dict[str, list[Body]] = {}
        for secret in self.secrets:
            if is_ours(secret):
                found.setdefault(owner_uid(secret), []).append(secret)
        return found


@dataclass(frozen=True)
class RecordedToken:
    """A token that a key's status records as one that works, or works again after a suspension."""

    key: Body
    what: str
    """token, former token or next token."""

    hash: str
    stamp: Body
    ends: datetime | None
    """When it expires, or None."""

    @property
    def holder(self) -> Name:
        """Name of the Membership that it was issued under."""
        return self.key["metadata"]["namespace"], self.stamp.get("membership") or self.key["spec"]["membership"]


def recorded_tokens(key: Body) -> Iterator[RecordedToken]:
    """The tokens that a key's status records. One without a Secret doesn't work any more, so it isn't among them."""
    status = status_of(key)
    if "hash" in status and "secretUID" in status:
        yield RecordedToken(key, "token", status["hash"], status["issued"], _end(key, status["issued"]))
    if previous := status.get("previous"):
        ends = min(filter(None, (moment(previous["endsAt"]), _end(key, previous["issued"]))))
        yield RecordedToken(key, "former token", previous["hash"], previous["issued"], ends)
    if announced := status.get("next"):
        yield RecordedToken(key, "next token", announced["hash"], announced["issued"], _end(key, announced["issued"]))


def name_of(body: Body) -> Name:
    """Namespace and name of an object."""
    return body["metadata"]["namespace"], body["metadata"]["name"]


def status_of(body: Body) -> Body:
    """The status of an object, which may have none."""
    status: Body = body.get("status") or {}
    return status


def is_deleting(body: Body) -> bool:
    """Whether an object is being deleted."""
    return "deletionTimestamp" in body["metadata"]


def ready(body: Body) -> Body:
    """The condition Ready, or an empty one."""
    conditions = status_of(body).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def is_ours(secret: Body) -> bool:
    """Whether a Secret is of the type of Tenure's."""
    return secret.get("type") == SECRET_TYPE


def owner_uid(secret: Body) -> str:
    """The uid of the ApiKey that controls a Secret, or ""."""
    owners = secret["metadata"].get("ownerReferences") or ()
    found = (owner["uid"] for owner in owners if owner["kind"] == "ApiKey" and owner.get("controller"))
    return next(found, "")


def token_hash(secret: Body, *, narrowed: bool) -> str:
    """Hash of a Secret's token, in the form in which a status records it."""
    token = base64.b64decode(_data(secret).get("token") or "")
    return ("narrowed-" if narrowed else "") + "sha256:" + hashlib.sha256(token).hexdigest()


def moment(text: str | None) -> datetime | None:
    """A time of the API server, or None."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _end(key: Body, stamp: Body) -> datetime | None:
    ends, issued, ttl = [moment(key["spec"].get("expiresAt"))], moment(stamp["at"]), key["spec"].get("ttl")
    if ttl and issued is not None:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(ttl))
        ends.append(issued + timedelta(seconds=seconds))
    return min((end for end in ends if end is not None), default=None)


def _data(secret: Body) -> Body:
    data: Body = secret.get("data") or {}
    return data
