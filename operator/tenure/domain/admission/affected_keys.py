"""Computes the price of a role change or a removal: which keys are revoked, which are reissued, and which stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tenure.domain.conditions import find_condition
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.listing import listed_key
from tenure.domain.planning.observation import ApiKeyObservation, Siblings
from tenure.domain.planning.obstacles import find_obstacle
from tenure.domain.reasons import ConditionType
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.listed_key import ListedKey
from tenure.domain.roles import Role
from tenure.domain.usage.words import describe_former_use, describe_use
from tenure.domain.validity import WORKING, validity
from tenure.domain.views import is_former, views_of


@dataclass(frozen=True)
class Price:
    """What becomes of a member's keys, in groups that are sorted by name."""

    revoked: tuple[ListedKey, ...] = ()
    """Working keys that are revoked, for good or until they are approved."""

    reissued: tuple[ListedKey, ...] = ()
    """Working keys that `forRole` approves for the new role. They get a new token under the same Secret name."""

    kept: tuple[ListedKey, ...] = ()
    """Working keys that keep their token. Those of a service account get the rights of the new role."""

    issued: tuple[str, ...] = ()
    """Names of keys that wait for the new role and are issued under it."""

    unlisted: int = 0
    """Number of further working keys with the same fate as the listed ones, if not all are known by name."""

    uses: Mapping[str, str] = field(default_factory=dict)
    """When keys were last used, in words, by the name of the key. A key isn't in it if that isn't known."""

    @property
    def dying(self) -> tuple[str, ...]:
        """The names of the keys whose tokens stop working."""
        return tuple(sorted(key.name for key in (*self.revoked, *self.reissued)))

    def unapproved(self, new_role: Role) -> tuple[str, ...]:
        """Return the names of the dying keys that no `forRole` approved for the new role before the change."""
        reissued = (key for key in self.reissued if key.for_role is not new_role)
        return tuple(sorted(key.name for key in (*self.revoked, *reissued)))


def price(
    old: Membership,
    new_role: Role | None,
    keys: Sequence[ApiKey],
    organization: Organization | None,
    now: datetime,
    *,
    changed: Mapping[str, ApiKey | None] | None = None,
    installation: Installation = DEFAULTS,
) -> Price:
    """Compute the price of giving a member `new_role`, or of removing the member if it is None.

    `keys` are the keys that name the member, and those with a token that was issued under the member, as they are.
    `changed` has the keys that the same change modifies, as they will be, and None for a key that it removes.
    """
    after: dict[str, ApiKey | None] = {**{key.name: key for key in keys}, **(changed or {})}
    views = {key.name: view for key in keys if (view := _working_token(key, old, organization, now)) is not None}
    working = {name: listed_key(view) for name, view in views.items()}
    notes = {name: note for name, view in views.items() if (note := _note(view, organization, now))}
    if new_role is None:
        return Price(revoked=tuple(working[name] for name in sorted(working)), uses=notes)
    member = old if new_role is old.spec.role else with_role(old, new_role)
    results = _results(member, _tokens_after(views, after), organization, now, installation)
    waiting = {
        key.name
        for key in keys
        if key.name not in working and key.spec.membership == old.name and key.awaits_other_role(old.spec.role)
    }

    def having(result: str) -> tuple[ListedKey, ...]:
        return tuple(working[name] for name in sorted(working) if results.get(name, "revoked") == result)

    return Price(
        revoked=having("revoked"),
        reissued=having("reissued"),
        kept=having("kept"),
        issued=tuple(sorted(name for name in waiting if results.get(name) == "reissued")),
        uses=notes,
    )


def _working_token(key: ApiKey, member: Membership, organization: Organization | None, now: datetime) -> ApiKey | None:
    """Return the view of the key's first token that works and is this member's, or None if there is none."""
    views = views_of(key, member.name)
    return next((view for view in views if validity(view, member, organization, now) in WORKING), None)


def _tokens_after(views: Mapping[str, ApiKey], after: Mapping[str, ApiKey | None]) -> dict[str, ApiKey]:
    """Return each key that there is after the change, as the view of the member's token if it has one that works."""
    there = {name: key for name, key in after.items() if key is not None}
    return {
        name: views[name].model_copy(update={"spec": key.spec}) if name in views else key for name, key in there.items()
    }


def _results(
    member: Membership,
    after: Mapping[str, ApiKey],
    organization: Organization | None,
    now: datetime,
    installation: Installation,
) -> Mapping[str, str]:
    """Return what becomes of each key that there is after the change, by its name.

    Of a key that is another member's then, only the token is this member's.
    """
    siblings = Siblings(key for key in after.values() if key.spec.membership == member.name)
    observations = (
        ApiKeyObservation(
            api_key=key,
            membership=member,
            organization=organization,
            siblings=siblings,
            now=now,
            installation=installation,
        )
        for key in siblings
    )
    own = {one.api_key.name: _result(one) for one in observations}
    others = {name: key for name, key in after.items() if name not in own}
    kept = {name for name, key in others.items() if validity(key, member, organization, now) in WORKING}
    return {**own, **dict.fromkeys(kept, "kept")}


def _note(view: ApiKey, organization: Organization | None, now: datetime) -> str:
    """Return when a key was last used, in words, and whether a hand-over has yet to replace its token.

    The use of a former token that is another member's key now isn't the key's use, because the new token counts there.
    """
    former = view.status.previous
    if not view.is_handed_over:
        return describe_use(view, organization, now)
    if former is not None and is_former(view):
        return describe_former_use(former)
    rotating = find_condition(view.status.conditions, ConditionType.ROTATING)
    if rotating is None or rotating.status != "False":
        return "not replaced yet"
    return f"not replaced yet ({rotating.reason})"


def tells_price(old: Membership, new_role: Role | None) -> bool:
    """Return whether the member's status is enough to compute the price.

    It isn't if a service account has keys that the status doesn't list, or tokens of keys that were handed over,
    because the change may revoke some of them.
    """
    if new_role is None or old.is_person:
        return True
    listed = old.status.keys or ()
    return (old.status.key_count or 0) <= len(listed) and not any(key.handed_over_to for key in listed)


def recorded_price(old: Membership, new_role: Role | None) -> Price:
    """Compute the price from the member's status. This is exact enough for a warning, and takes no read."""
    listed = tuple(old.status.keys or ())
    unlisted = max((old.status.key_count or 0) - len(listed), 0)
    waiting = old.status.waiting_keys or ()
    issued = tuple(key.name for key in waiting if key.for_role is new_role)
    if new_role is None:
        return Price(revoked=listed, unlisted=unlisted)
    reissued = tuple(key for key in listed if key.for_role is new_role)
    revoked = tuple(key for key in listed if key.for_role is not new_role and (old.is_person or key.for_role))
    if old.is_person:
        return Price(revoked=revoked, reissued=reissued, issued=issued, unlisted=unlisted)
    return Price(
        revoked=revoked,
        reissued=reissued,
        kept=tuple(key for key in listed if key.for_role is None),
        issued=issued,
        unlisted=unlisted,
    )


def with_role(membership: Membership, role: Role) -> Membership:
    """Return the Membership as the API server would store it after a change of role."""
    metadata = membership.metadata.model_copy(update={"generation": membership.metadata.generation + 1})
    spec = membership.spec.model_copy(update={"role": role})
    return membership.model_copy(update={"metadata": metadata, "spec": spec})


def _result(observation: ApiKeyObservation) -> str:
    """Return what the change does to a key: the name of its attribute in `Price`."""
    verdict = validity(observation.api_key, observation.membership, observation.organization, observation.now)
    if verdict in WORKING:
        return "kept"
    return "reissued" if find_obstacle(observation, verdict) is None else "revoked"
