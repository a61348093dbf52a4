"""Evidence built by hand: all of it was read, and nothing stands in the way but what a test says."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from support.api.api import Body
from support.api.client import DELETES_AND_RECREATES
from support.objects.builders import NOW, membership, organization
from support.objects.reviewed import ROOT, change
from tenure.domain.admission.authority import membership_grants
from tenure.domain.admission.decide import decide
from tenure.domain.admission.decision import Decision
from tenure.domain.admission.evidence import Evidence, MembershipEvidence, OrganizationEvidence
from tenure.domain.admission.key_evidence import ApiKeyEvidence
from tenure.domain.admission.request import Change
from tenure.domain.admission.verdict import MAX_MESSAGE, Judgement
from tenure.domain.permissions import Permission, deletion
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.roles import Role

R = TypeVar("R", bound=Resource)

ACME = organization()
OMAR = membership("omar", role="Owner")
"""An Owner who stays."""

ALL_GRANTS = frozenset(Role)


def judged(
    resource: type[R],
    *,
    old: Body | None = None,
    new: Body | None = None,
    username: str = ROOT,
    groups: Sequence[str] = (),
    request: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Judgement:
    """The answer to a change from one manifest to another, which its dry-run gets too, but for the note of it.

    `request` are other fields of the request, `facts` what was read.
    """

    def decision(*, dry_run: bool) -> Decision:
        made = change(resource, old=old, new=new, username=username, groups=groups, dryRun=dry_run, **(request or {}))
        return decide(_BUILDERS[resource](made, **facts))

    real, trial = decision(dry_run=False), decision(dry_run=True)
    notes = {name: text for name, text in trial.judgement.audit.items() if name != "dry-run"}
    assert replace(trial.judgement, audit=notes) == real.judgement
    assert trial.claim is None
    assert real.claim is None or real.judgement.allowed
    message = real.judgement.message
    assert len(message) <= MAX_MESSAGE, message
    assert not [words for words in DELETES_AND_RECREATES if words in message], message
    return real.judgement


def of_organization(change: Change[Organization], *, may_delete: bool = True, **facts: Any) -> OrganizationEvidence:
    """The evidence about an Organization's change; `facts` are fields of it."""
    read = {"now": NOW, "present": (), "owners": (), "not_members": (), **facts}
    return OrganizationEvidence(change=change, missing_deletion=_missing_deletion(change, may_delete), **read)


def of_membership(
    change: Change[Membership], *, grants: Collection[Role] = ALL_GRANTS, may_delete: bool = True, **facts: Any
) -> MembershipEvidence:
    """The evidence about a Membership's change; `facts` are fields of it.

    `keys` is None where the member's status is all that was read.
    """
    read = {
        "now": NOW,
        "organization": ACME,
        "namesakes": (),
        "keys": (),
        "service_account_keys": 0,
        "owners": (OMAR,),
        "namespace_terminating": False,
        **facts,
    }
    return MembershipEvidence(
        change=change,
        missing_deletion=_missing_deletion(change, may_delete),
        missing_grants=_missing(membership_grants(change), grants),
        issuer=read["organization"],
        **read,
    )


def of_api_key(
    change: Change[ApiKey], *, grants: Collection[Role] = ALL_GRANTS, may_delete: bool = True, **facts: Any
) -> ApiKeyEvidence:
    """The evidence about an ApiKey's change; `facts` are fields of it.

    `membership` is None where the key names one that doesn't exist.
    """
    read = {"now": NOW, "membership": None, "organization": ACME, "may_revoke": False, "siblings": (), **facts}
    evidence = ApiKeyEvidence(change=change, missing_deletion=_missing_deletion(change, may_delete), **read)
    return replace(evidence, missing_grants=_missing(evidence.grants, grants))


def _missing(needed: Sequence[Permission], grants: Collection[Role]) -> list[Permission]:
    held = {f"grant-{role.lower()}" for role in grants}
    return [permission for permission in needed if permission.verb not in held]


def _missing_deletion(
    change: Change[Organization] | Change[Membership] | Change[ApiKey],
    may_delete: bool,  # noqa: FBT001
) -> list[Permission]:
    return [] if may_delete or not change.given_to_collector else [deletion(change.subject)]


_BUILDERS: Mapping[type[Resource], Callable[..., Evidence[Any]]] = {
    Organization: of_organization,
    Membership: of_membership,
    ApiKey: of_api_key,
}
