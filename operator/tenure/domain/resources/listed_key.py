"""The entry of a working key in its Membership's status."""

from pydantic import Field

from tenure.domain.resources.base import NAME_LENGTH, DateTime, Model
from tenure.domain.resources.key_fields import MAX_DESCRIPTION, Capabilities
from tenure.domain.roles import Access, Role


class ListedFormerToken(Model):
    """The former token of a key, while it is valid."""

    key_id: str = Field(max_length=32)
    """The public id of the token."""

    ends_at: DateTime
    """When it expires."""


class ListedKey(Model):
    """A key with a working token of the member."""

    name: str = Field(max_length=NAME_LENGTH)
    """Name of the ApiKey."""

    key_id: str = Field(max_length=32)
    """The public id of its token. If the key was handed over, that of the former token."""

    access: Access
    """Full or View."""

    issued_at: DateTime | None = None
    """When its token was issued."""

    expires_at: DateTime | None = None
    """When this token expires. Omitted if it doesn't."""

    for_role: Role | None = None
    """The role that it is approved for, if it has a forRole."""

    former: ListedFormerToken | None = None
    """Its former token. Omitted if there is none of this member that is valid."""

    handed_over_to: str | None = Field(default=None, max_length=NAME_LENGTH)
    """The Membership that the key was handed over to. This member's token is then the former one, or soon will be.
    Omitted if the key is this member's."""

    description: str | None = Field(default=None, max_length=MAX_DESCRIPTION)
    """What it is for."""

    capabilities: Capabilities | None = None
    """The capabilities that it is limited to. Omitted if it has no such limit."""

    @property
    def all_key_ids(self) -> str:
        """The public ids of its tokens, for people."""
        return f"{self.key_id} and {self.former.key_id}" if self.former is not None else self.key_id
