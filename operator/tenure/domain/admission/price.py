"""The price of a role change or a removal: which keys end, which go on, what stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.planning.obstacles import find_obstacle
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Role
from tenure.domain.validity import Verdict, validity

_WORKING = {Verdict.VALID, Verdict.SUSPENDED}


@dataclass(frozen=True)
class Price:
    """What becomes of the working keys of a member: their names, in order."""

    ends: tuple[str, ...]
    """Keys that end for good, or wait until somebody approves them."""

    goes_on: tuple[str, ...]
    """Keys approved for the new role by `forRole`: a new token under the same Secret name."""

    stays: tuple[str, ...]
    """Keys that keep their token; a service account's follow the new role's rights."""


def price(
    old: Membership,
    new_role: Role | None,
    keys: Sequence[ApiKey],
    organization: Organization | None,
    now: datetime,
    *,
    changed: Mapping[str, ApiKey | None] | None = None,
) -> Price:
    """The price of giving a member `new_role`; None: of removing the member.

    `keys` are the member's keys as they are; `changed` holds those that the same change touches, as they will be, None
    for one that it removes.
    """
    after: dict[str, ApiKey | None] = {**{key.name: key for key in keys}, **(changed or {})}
    remaining = [key for key in after.values() if key is not None]
    working = [key.name for key in keys if validity(key, old, organization, now) in _WORKING]
    if new_role is None:
        return Price(tuple(sorted(working)), (), ())
    new = old if new_role is old.spec.role else with_role(old, new_role)
    fates: dict[str, list[str]] = {"ends": [], "goes_on": [], "stays": []}
    for name in sorted(working):
        fates[_fate(after[name], new, organization, remaining, now)].append(name)
    return Price(*(tuple(names) for names in fates.values()))


def with_role(membership: Membership, role: Role) -> Membership:
    """The Membership as the API server would store it after a change of role."""
    metadata = membership.metadata.model_copy(update={"generation": membership.metadata.generation + 1})
    spec = membership.spec.model_copy(update={"role": role})
    return membership.model_copy(update={"metadata": metadata, "spec": spec})


def _fate(
    key: ApiKey | None,
    membership: Membership,
    organization: Organization | None,
    siblings: Sequence[ApiKey],
    now: datetime,
) -> str:
    if key is None:
        return "ends"
    verdict = validity(key, membership, organization, now)
    if verdict in _WORKING:
        return "stays"
    seen = ApiKeyObservation(api_key=key, membership=membership, organization=organization, siblings=siblings, now=now)
    return "goes_on" if find_obstacle(seen, verdict) is None else "ends"
