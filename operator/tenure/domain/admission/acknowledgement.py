"""The acknowledgement: the annotation in which a role change names the keys that it revokes."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from tenure.domain.admission.verdict import join_names
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Role

ANNOTATION = f"{GROUP}/acknowledge-key-deletion"

MOST_NAMES = 8
"""With more keys than this, an acknowledgement may give their number instead of their names."""

_NUMBER = re.compile(r"all\s+([0-9]{1,4})")
_AGAIN = re.compile(r"\s*\([0-9]+\)\s*$")


@dataclass(frozen=True)
class Acknowledgement:
    """A role, and the keys that the change to it may revoke: by name, or by their number."""

    role: Role
    names: frozenset[str]
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `<new role>: <name>, <name>` or `<new role>: all <number>`. Order and spaces don't matter.

        A number in brackets at the end, as in `Viewer: laptop (2)`, only makes the text another one.

        Raises:
            ValueError: `text` is neither. The error's text says how to write it.
        """
        role, colon, rest = text.partition(":")
        if not colon or role.strip() not in set(Role):
            raise ValueError(
                f"{ANNOTATION}: write '<new role>: <names of the keys>', for example 'Viewer: ci-deploy, laptop'. "
                f"Roles: {', '.join(Role)}"
            )
        rest = _AGAIN.sub("", rest)
        if number := _NUMBER.fullmatch(rest.strip()):
            return cls(Role(role.strip()), frozenset(), int(number[1]))
        return cls(Role(role.strip()), frozenset(name for part in rest.split(",") if (name := part.strip())))

    def lacks(self, role: Role, keys: Collection[str], number: int) -> "Flaw | None":
        """Return why it doesn't approve that a change to `role` revokes these keys, or None if it does.

        More names than needed are allowed. `number` of keys are revoked together with those that `forRole` approves.
        """
        if role is not self.role:
            return Flaw(f"The acknowledgement names the role {self.role}, and not {role}.")
        if self.number is None:
            missing = sorted(set(keys) - self.names)
            what = f"The acknowledgement doesn't name {join_names(missing)}."
            return Flaw(what, f"The acknowledgement doesn't name {len(missing)} of them.") if missing else None
        if self.number == number > MOST_NAMES:
            return None
        if number <= MOST_NAMES:
            return Flaw(f"The acknowledgement gives a number. Name the keys, because there are only {number}.")
        saved = number - len(keys)
        more = f", with the {saved} that forRole approves" if saved else ""
        return Flaw(f"The acknowledgement says {self.number} keys, but there are {number}{more}.")


@dataclass(frozen=True)
class Flaw:
    """The reason why a write doesn't acknowledge the keys."""

    text: str
    short: str = ""

    @property
    def brief(self) -> str:
        """The reason in fewer words."""
        return self.short or self.text


def spell(role: Role, keys: Collection[str], spent: str | None = None, number: int | None = None) -> str:
    """Return the annotation's value that approves that a change to `role` revokes these keys.

    `spent` is the present value. It approved an earlier change, so the new one must differ, and visibly so, because a
    page that shows the value drops spaces. `number` is the number of all keys that the change revokes, if more than
    these.
    """
    names = f"all {number or len(keys)}" if len(keys) > MOST_NAMES else ", ".join(sorted(keys))
    text = f"{role}: {names}"
    return text if text != " ".join((spent or "").split()) else f"{text} (2)"


def find_flaw(
    before: str | None, after: str | None, role: Role, keys: Collection[str], number: int | None = None
) -> Flaw | None:
    """Return why a write that changes the annotation from `before` to `after` doesn't approve that keys are revoked.

    `number` is the number of all keys that the change revokes, if more than these.

    Return None if it does. An annotation from before the write approved an earlier change, so it doesn't count.
    """
    if after is None:
        return Flaw("This write has no acknowledgement.")
    if after == before:
        return Flaw("The acknowledgement is from an earlier change, and each change needs its own.")
    try:
        return Acknowledgement.parse(after).lacks(role, keys, number or len(keys))
    except ValueError as error:
        return Flaw(f"Tenure can't parse the acknowledgement. {error}.", "Tenure can't parse the acknowledgement.")
