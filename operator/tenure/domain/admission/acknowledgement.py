"""The acknowledgement: the annotation by which whoever changes a role names the keys that will end."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from tenure.domain.admission.verdict import join_names
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
                f"{ANNOTATION}: write '<new role>: <names of the keys>', such as 'Viewer: ci-deploy, laptop'; the "
                f"roles are {', '.join(Role)}"
            )
        if number := _NUMBER.fullmatch(rest.strip()):
            return cls(Role(role.strip()), frozenset(), int(number[1]))
        return cls(Role(role.strip()), frozenset(name for part in rest.split(",") if (name := part.strip())))

    def lacks(self, role: Role, keys: Collection[str]) -> "Flaw | None":
        """Why it doesn't approve the end of these keys by a change to `role`; more names than needed are fine."""
        if role is not self.role:
            return Flaw(f"The acknowledgement is for the role {self.role}.")
        if self.number is None:
            missing = sorted(set(keys) - self.names)
            what = f"The acknowledgement lacks {join_names(missing)}."
            return Flaw(what, f"The acknowledgement lacks {len(missing)} of them.") if missing else None
        if self.number == len(keys) > MOST_NAMES:
            return None
        there = f"there are {len(keys)}, and up to {MOST_NAMES} are named"
        return Flaw(f"The acknowledgement says {self.number} keys; {there}.")


@dataclass(frozen=True)
class Flaw:
    """Why a write acknowledges nothing."""

    text: str
    short: str = ""

    @property
    def brief(self) -> str:
        """The same in fewer words."""
        return self.short or self.text


def spell(role: Role, keys: Collection[str]) -> str:
    """The annotation's value that approves the end of these keys by a change to `role`."""
    return f"{role}: all {len(keys)}" if len(keys) > MOST_NAMES else f"{role}: {', '.join(sorted(keys))}"


def find_flaw(before: str | None, after: str | None, role: Role, keys: Collection[str]) -> Flaw | None:
    """Why one write, which changes the annotation from `before` to `after`, doesn't approve the end of these keys.

    None: it does. An annotation that was there already is spent: it approved another change.
    """
    if after is None:
        return Flaw("Nothing acknowledges this.")
    if after == before:
        return Flaw("The acknowledgement that is there was for an earlier change; this one needs its own.")
    try:
        return Acknowledgement.parse(after).lacks(role, keys)
    except ValueError as error:
        return Flaw(f"The acknowledgement can't be read: {error}.", "The acknowledgement can't be read.")
