"""Fields of an ApiKey that the lists of keys in a Membership's status have too."""

from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, Field

from tenure.domain.resources.base import LIST_SET, shaped
from tenure.domain.roles import Capability

MAX_DESCRIPTION = 256

_UNPRINTABLE = r"\x00-\x1f\x7f-\x9f" + "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
"""Control characters, line breaks, characters that change the direction of the text around them, and the byte order
mark, because of which the generated YAML has escapes for all of these."""

Description = Annotated[
    str,
    shaped(
        f"^[^{_UNPRINTABLE}]*$",
        "must be text on one line, without control characters and characters that change the direction of text",
        max_length=MAX_DESCRIPTION,
    ),
]
"""A text for people."""


def _in_order(names: Collection[Capability]) -> list[Capability]:
    """Return the capabilities in the order of the table of roles, so that two equal sets are equal lists."""
    return [capability for capability in Capability if capability in names]


Capabilities = Annotated[
    list[Capability], AfterValidator(_in_order), Field(max_length=len(Capability), json_schema_extra=LIST_SET)
]
"""A set of capabilities."""
