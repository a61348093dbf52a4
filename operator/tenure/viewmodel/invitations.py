"""The page that invites people: a Membership for each e-mail address, with a name that is derived from it."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from unicodedata import normalize

from tenure.domain.resources import Membership, Organization
from tenure.domain.resources.base import API_VERSION, NAME_LENGTH
from tenure.domain.resources.mailbox import ADDRESS, MAX_ADDRESS
from tenure.domain.resources.membership import SubjectKind, fold
from tenure.domain.roles import Role
from tenure.viewmodel.edits import Action, Body, Edit, in_context
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.snapshot import Snapshot

_DIGEST = 6
"""Letters that are added to a name that would otherwise be there twice."""

_SEPARATORS = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class ExistingMember:
    """Somebody who was invited and is a member already."""

    address: str
    name: str
    role: Role


@dataclass(frozen=True)
class InvitationsPage:
    """New Memberships, and those of the addresses that are members already.

    Attributes:
        managed_by: Who manages the Organization, and so should create its Memberships.
        by_hand: Whether people do.
    """

    namespace: str
    organization: str
    managed_by: str
    by_hand: bool
    invitations: tuple[Edit, ...]
    existing: tuple[ExistingMember, ...]
    applied: bool = False
    warnings: tuple[str, ...] = ()


def split_addresses(text: str) -> list[str]:
    """Return the addresses of a text, which blanks, commas, semicolons and lines part. A `#` begins a comment."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [one for line in lines for one in _SEPARATORS.split(line) if one]


def invitations_page(snapshot: Snapshot, addresses: Iterable[str], role: Role) -> InvitationsPage:
    """Return a Membership for each address that isn't a member yet.

    Raises:
        ViewError: an address isn't one, or the caller may not list the members.
    """
    organization = snapshot.require_organization()
    snapshot.require(Membership)
    wanted = {fold(address): address for address in reversed(list(addresses))}
    if not wanted:
        raise ViewError("there is no address. Give at least one, for example alice@acme.io")
    if wrong := [address for address in reversed(wanted.values()) if not _is_address(address)]:
        raise ViewError(f"not an e-mail address: {', '.join(map(repr, wrong))}. Correct it. No one was invited")
    members = {member.spec.subject.folded: member for member in snapshot.members}
    found = {folded: members.get((SubjectKind.USER, folded)) for folded in wanted}
    new = [address for folded, address in reversed(wanted.items()) if found[folded] is None]
    names = names_for(new, {member.name for member in snapshot.members})
    manager = snapshot.manager(organization)
    return InvitationsPage(
        namespace=snapshot.namespace,
        organization=organization.name,
        managed_by=manager.name,
        by_hand=manager.by_hand,
        invitations=tuple(_invitation(snapshot, organization, names[one], one, role) for one in new),
        existing=tuple(
            ExistingMember(address, member.name, member.spec.role)
            for folded, address in reversed(wanted.items())
            if (member := found[folded]) is not None
        ),
    )


def names_for(addresses: Collection[str], taken: Collection[str]) -> dict[str, str]:
    """Return a name for each address: what is before the @, and a part of a hash if that would be there twice.

    The same address has the same name each time, whichever other addresses there are, unless another member has it.
    """
    plain = {address: _name(address) for address in addresses}
    counts = list(plain.values())
    return {
        address: name if counts.count(name) == 1 and name not in taken else _unique(name, address)
        for address, name in plain.items()
    }


def _name(address: str) -> str:
    """Return the part before the @ as a name that Kubernetes allows."""
    local = normalize("NFKD", address.rpartition("@")[0].partition("+")[0]).casefold()
    dashed = re.sub(r"[^a-z0-9]+", "-", "".join(one for one in local if one.isascii() or one.isalnum()))
    return dashed.strip("-")[:NAME_LENGTH].strip("-") or "member"


def _unique(name: str, address: str) -> str:
    digest = sha256(fold(address).encode()).hexdigest()[:_DIGEST]
    return f"{name[: NAME_LENGTH - _DIGEST - 1].strip('-')}-{digest}"


def _is_address(text: str) -> bool:
    return len(text) <= MAX_ADDRESS and text.isprintable() and re.fullmatch(ADDRESS, text) is not None


def _invitation(snapshot: Snapshot, organization: Organization, name: str, address: str, role: Role) -> Edit:
    manager = snapshot.manager(organization)
    return Edit(
        action=Action.CREATE,
        kind=Membership.kind,
        plural=Membership.plural,
        namespace=snapshot.namespace,
        name=name,
        summary=f"invite {address} as {role}",
        patch=None,
        manifest=manifest(snapshot.namespace, organization.name, name, address, role),
        command=f"kubectl create -f {name}.yaml{in_context(snapshot)}",
        managed_by=manager.name,
        by_hand=manager.by_hand,
        stays=manager.by_hand,
    )


def manifest(namespace: str, organization: str, name: str, address: str, role: Role) -> Body:
    """Return the manifest of a person's Membership."""
    return {
        "apiVersion": API_VERSION,
        "kind": Membership.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "organization": organization,
            "subject": {"kind": SubjectKind.USER.value, "name": address},
            "role": role.value,
        },
    }
