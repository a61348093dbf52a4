"""The stamp of a token, and the other tokens of a key: the announced and the former one."""

from typing import Annotated

from pydantic import Field

from tenure.domain.resources.base import NAME_LENGTH, DateTime, Model
from tenure.domain.resources.key_fields import Capabilities
from tenure.domain.resources.sharing import SHARED
from tenure.domain.roles import Role


class Stamp(Model):
    """The tenure that a token was issued in. It decides whether the token is valid."""

    organization_uid: Annotated[str, SHARED] = Field(alias="organizationUID", max_length=64)
    """uid of the Organization."""

    membership_uid: Annotated[str, SHARED] = Field(alias="membershipUID", max_length=64)
    """uid of the Membership."""

    membership_generation: int
    """metadata.generation of the Membership, which counts role changes."""

    role: Role
    """The member's role."""

    revision: int
    """The ApiKey's revision."""

    for_role: Role | None = None
    """The role that the key was approved for, if it had a forRole."""

    template_digest: Annotated[str, SHARED] | None = Field(default=None, max_length=64)
    """Digest of what the Secret got from secretTemplate."""

    capabilities: Capabilities | None = None
    """The capabilities that the token is limited to. Omitted if it has no such limit."""

    at: DateTime
    """When the token was issued, by the API server's clock."""

    membership: Annotated[str, SHARED] | None = Field(default=None, max_length=NAME_LENGTH)
    """Name of the Membership."""

    sequence: int | None = None
    """Number of the token: 1 for the first, and one more for each new one."""

    request: int | None = None
    """The highest rotation.request that was served."""


class AnnouncedToken(Model):
    """The next token while a rotation is in progress. It is valid already."""

    key_id: str = Field(max_length=32)
    """The public id of the token."""

    hash: str = Field(max_length=128)
    """SHA-256 of the token, as sha256:<hex>."""

    issued: Stamp
    """The tenure that the token was issued in."""


class FormerToken(Model):
    """The token before the last rotation, while it is valid."""

    key_id: str = Field(max_length=32)
    """The public id of the token."""

    hash: str = Field(max_length=128)
    """SHA-256 of the token, as sha256:<hex>."""

    issued: Stamp
    """The tenure that the token was issued in."""

    replaced_at: DateTime
    """When its successor was written into the Secret, by the API server's clock."""

    ends_at: DateTime
    """When it expires. A role change, a higher revision or a shorter rotation.overlap revokes it earlier."""

    last_used_at: DateTime | None = None
    """The minute in which a verifier last answered that it is valid, as far as Tenure was told. Written at most every 5
    minutes. Omitted if no use is known, which doesn't mean that it wasn't used."""


class Approval(Model):
    """The Membership that a key may be issued under, while it has no token of that member."""

    membership: Annotated[str, SHARED] | None = Field(default=None, max_length=NAME_LENGTH)
    """Name of the Membership."""

    membership_uid: Annotated[str, SHARED] = Field(alias="membershipUID", max_length=64)
    """uid of the Membership. Another Membership of the same name doesn't get the key unless you raise revision."""

    membership_generation: int
    """metadata.generation of the Membership, which counts role changes."""

    revision: int
    """The ApiKey's revision."""
