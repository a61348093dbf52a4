"""Who may give and take roles, and touch keys, as tables: every requester, every role before and after.

The rules are shown on all of them without a server, and on a sample on one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from support.cluster.people import MEMBERS, PEOPLE, Person, verb
from support.objects import manifests
from support.objects.manifests import Body
from tenure.domain.roles import Role

PERSON, SERVICE_ACCOUNT = "User", "ServiceAccount"
ROLES: dict[str, Sequence[Role]] = {PERSON: list(Role), SERVICE_ACCOUNT: [Role.MEMBER, Role.ANALYST, Role.VIEWER]}

NOBODY = "nobody"
"""The name of a Membership that doesn't exist."""

HOLDERS: dict[str, Role | None] = {
    **{f"other-{role.lower()}": role for role in Role},
    "ci-member": Role.MEMBER,
    "ci-analyst": Role.ANALYST,
    "ci-viewer": Role.VIEWER,
    NOBODY: None,
}
OPERATIONS = ("create", "update", "delete")


@dataclass(frozen=True)
class MemberCell:
    """A change of somebody else's Membership, and who asks for it."""

    person: Person
    kind: str
    old: Role | None
    """None: it is created."""

    new: Role | None
    """None: it is deleted."""

    def __str__(self) -> str:
        kind = "" if self.kind == PERSON else " of a service account"
        return f"{self.old or 'none'} to {self.new or 'none'}{kind} by {self.person}"

    @property
    def operation(self) -> str:
        """What is done."""
        return "create" if self.old is None else "delete" if self.new is None else "update"

    @property
    def lacking(self) -> set[Role]:
        """The roles whose grants are needed and not there."""
        return {role for role in (self.old, self.new) if role is not None} - self.person.grants

    def manifest(self, name: str, role: Role) -> Body:
        """The Membership that is changed, with a role."""
        make = manifests.member if self.kind == PERSON else manifests.service_account
        return make(name, role)


MEMBER_CELLS = [
    MemberCell(person, kind, old, new)
    for kind, roles in ROLES.items()
    for person, old, new in product(PEOPLE, [None, *roles], [*roles, None])
    if old is not new
]
"""All of them; a change from a role to itself is none."""


@dataclass(frozen=True)
class KeyCell:
    """What somebody does to a key."""

    operation: str
    person: Person
    holder: str
    """The name of the Membership whose key it is."""

    role: Role | None
    """The holder's role; None where there is no such Membership."""

    def __str__(self) -> str:
        whose = "their own key" if self.own else f"a key of {self.holder}"
        return f"{self.operation} {whose} by {self.person}"

    @property
    def own(self) -> bool:
        """Whether it is the requester's."""
        return self.holder == self.person.member

    @property
    def kind(self) -> str:
        """The kind of the holder."""
        return SERVICE_ACCOUNT if self.holder.startswith("ci-") else PERSON

    @property
    def lacking(self) -> set[Role]:
        """The roles whose grants are needed and not there."""
        if self.own or (self.operation == "delete" and self.person.revokes):
            return set()
        return ({self.role} if self.role else set(Role)) - self.person.grants

    @property
    def manifest(self) -> Body:
        """The key."""
        return manifests.api_key("target", self.holder)


KEY_CELLS = [
    *(KeyCell(operation, person, person.member, person.role) for operation, person in product(OPERATIONS, MEMBERS)),
    *(
        KeyCell(operation, person, holder, role)
        for operation, person, (holder, role) in product(OPERATIONS, PEOPLE, HOLDERS.items())
    ),
]


@dataclass(frozen=True)
class HandoverCell:
    """A hand-over of a key from one member to another."""

    person: Person
    former: str
    target: str

    def __str__(self) -> str:
        return f"from {self._named(self.former)} to {self._named(self.target)} by {self.person}"

    def _named(self, holder: str) -> str:
        return "themselves" if holder == self.person.member else holder

    @property
    def holders(self) -> dict[str, Role | None]:
        """The two members' roles by their names; None where there is no such Membership."""
        known = {**HOLDERS, **({self.person.member: self.person.role} if self.person.role else {})}
        return {name: known[name] for name in (self.former, self.target)}

    @property
    def lacking(self) -> set[Role]:
        """The roles whose grants are needed and not there. One's own is never needed."""
        others = {role for name, role in self.holders.items() if name != self.person.member}
        needed = set(Role) if None in others else {role for role in others if role}
        return needed - self.person.grants


HANDOVER_CELLS = [
    HandoverCell(person, former, target)
    for person in PEOPLE
    for former, target in product([*HOLDERS, *([person.member] if person.role else [])], repeat=2)
    if former != target
]


def lacked(message: str) -> set[Role]:
    """The roles whose grants somebody lacks, by the words of a refusal."""
    return {role for role in Role if verb(role) in message.partition(" on ")[0]}
