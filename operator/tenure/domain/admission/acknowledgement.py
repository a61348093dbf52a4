"""The acknowledgement: the annotation by which whoever changes a role names the keys that will end."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Role

ANNOTATION = f"{GROUP}/acknowledge-key-deletion"

MOST_NAMES = 8
"""With more keys than this, their number may stand for their names."""

_NUMBER = re.compile(r"all\s+([0-9]{1,4})")


@dataclass(frozen=True)
class Acknowledgement:
    """A role, and the keys that may end with the change to it: by name, or by their number."""

    role: Role
    names: frozenset[str]
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<new role>: <name>, <name>` or `<new role>: all <number>`; order and spaces don't matter.

        Raises:
            ValueError: it is neither; the text says how to write it.
        """
        role, colon, rest = text.partition(":")
        if not colon or role.strip() not in set(Role):
            raise ValueError(
                f"{ANNOTATION}: write '<new role>: <names of the keys>', such as 'Viewer: ci-deploy, laptop'"
            )
        if number := _NUMBER.fullmatch(rest.strip()):
            return cls(Role(role.strip()), frozenset(), int(number[1]))
        return cls(Role(role.strip()), frozenset(name for part in rest.split(",") if (name := part.strip())))

    def covers(self, role: Role, keys: Collection[str]) -> bool:
        """Whether it approves the end of these keys by a change to `role`; more names than needed are fine."""
        if role is not self.role:
            return False
        if self.number is not None:
            return len(keys) > MOST_NAMES and self.number == len(keys)
        return self.names.issuperset(keys)


def spell(role: Role, keys: Collection[str]) -> str:
    """The annotation's value that approves the end of these keys by a change to `role`."""
    return f"{role}: all {len(keys)}" if len(keys) > MOST_NAMES else f"{role}: {', '.join(sorted(keys))}"


def is_approved(before: str | None, after: str | None, role: Role, keys: Collection[str]) -> bool:
    """Whether one write, which changes the annotation from `before` to `after`, approves the end of these keys.

    An annotation that was there already is spent: it approved another change.

    Raises:
        ValueError: the annotation can't be read.
    """
    return after is not None and after != before and Acknowledgement.parse(after).covers(role, keys)
