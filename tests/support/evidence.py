"""Evidence built by hand: all of it was read, and nothing stands in the way but what a test says."""

from collections.abc import Collection, Sequence
from datetime import datetime

from support.builders import NOW, membership, organization
from tenure.domain.admission.authority import Permission, api_key_grants, deletion, membership_grants
from tenure.domain.admission.evidence import ApiKeyEvidence, MembershipEvidence, OrganizationEvidence
from tenure.domain.admission.request import Change
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.lease import Lease
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.roles import Role

ACME = organization()
OMAR = membership("omar", role="Owner")
"""An Owner who stays."""

ALL_GRANTS = frozenset(Role)


def of_organization(
    change: Change[Organization],
    *,
    present: Sequence[Organization] = (),
    owners: Sequence[Membership] = (),
    may_delete: bool = True,
) -> OrganizationEvidence:
    """The evidence about an Organization's change."""
    return OrganizationEvidence(
        change=change, now=NOW, missing_deletion=_missing_deletion(change, may_delete), present=present, owners=owners
    )


def of_membership(
    change: Change[Membership],
    *,
    grants: Collection[Role] = ALL_GRANTS,
    organization: Organization | None = ACME,
    namesakes: Sequence[Membership] = (),
    keys: Sequence[ApiKey] | None = (),
    service_account_keys: int = 0,
    owners: Sequence[Membership] = (OMAR,),
    lease: Lease | None = None,
    terminating: bool = False,
    may_delete: bool = True,
    installation: Installation = DEFAULTS,
    now: datetime = NOW,
) -> MembershipEvidence:
    """The evidence about a Membership's change; `keys` is None where the member's status is all that was read."""
    return MembershipEvidence(
        change=change,
        now=now,
        installation=installation,
        missing_deletion=_missing_deletion(change, may_delete),
        missing_grants=_missing(membership_grants(change), grants),
        organization=organization,
        issuer=organization,
        namesakes=namesakes,
        keys=keys,
        service_account_keys=service_account_keys,
        lease=lease,
        owners=owners,
        namespace_terminating=terminating,
    )


def of_api_key(
    change: Change[ApiKey],
    *,
    membership: Membership | None = None,
    organization: Organization | None = ACME,
    grants: Collection[Role] = ALL_GRANTS,
    may_revoke: bool = False,
    siblings: Sequence[ApiKey] = (),
    may_delete: bool = True,
    installation: Installation = DEFAULTS,
    now: datetime = NOW,
) -> ApiKeyEvidence:
    """The evidence about an ApiKey's change; `membership` is None where the key names one that doesn't exist."""
    named = membership.spec.organization if membership is not None else organization.name if organization else ""
    return ApiKeyEvidence(
        change=change,
        now=now,
        installation=installation,
        missing_deletion=_missing_deletion(change, may_delete),
        membership=membership,
        organization=organization,
        may_revoke=may_revoke,
        missing_grants=_missing(api_key_grants(change.namespace, membership, named), grants),
        siblings=siblings,
    )


def _missing(needed: Sequence[Permission], grants: Collection[Role]) -> list[Permission]:
    held = {f"grant-{role.lower()}" for role in grants}
    return [permission for permission in needed if permission.verb not in held]


def _missing_deletion(
    change: Change[Organization] | Change[Membership] | Change[ApiKey],
    may_delete: bool,  # noqa: FBT001
) -> list[Permission]:
    return [] if may_delete or not change.hands_over else [deletion(change.subject)]
