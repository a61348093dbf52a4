"""The decision from evidence against the way of before, which read and judged in turns: random reviews, same answers.

Both get the same review and the same namespace. What is answered, which lease is written and what is read must be the
same, also where a read fails.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from support.builders import NOW, api_key, condition, issued, membership, organization
from support.reads import Reads
from support.review import review
from tenure.admission.apikeys import judge_api_key
from tenure.admission.context import Context
from tenure.admission.judge import judge
from tenure.admission.memberships import judge_membership
from tenure.admission.organizations import judge_organization
from tenure.domain.admission.acknowledgement import ANNOTATION, spell
from tenure.domain.admission.bounds import metadata_refusals
from tenure.domain.admission.judgement import Judgement
from tenure.domain.admission.request import AdmissionRequest, Change
from tenure.domain.admission.reverts import FLUX, reverted_warning
from tenure.domain.installation import Installation, Limits
from tenure.domain.lease import Lease
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.base import API_VERSION, GROUP, VERSION, format_time
from tenure.domain.resources.organization import WhenKeysExist
from tenure.domain.roles import Role
from tenure.errors import AlreadyExistsError, ConflictError, TenureError, UnavailableError

REVIEWS = 6000
FAILING = 2500
NAMESPACE = "acme"
ROLES = [role.value for role in Role]
MODES = [mode.value for mode in WhenKeysExist]
OWNER_REFERENCE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
KINDS: list[type[Resource]] = [Organization, Membership, Membership, Membership, ApiKey, ApiKey]
_JUDGES: Mapping[type[Resource], Any] = {
    Organization: judge_organization,
    Membership: judge_membership,
    ApiKey: judge_api_key,
}


async def judge_before(context: Context, resource: type[Resource], request: AdmissionRequest) -> Judgement:
    """Judge a request in the way of before."""
    change: Change[Any] = Change.of(request, resource)
    judgement = Judgement().refuse(*metadata_refusals(change)).warn(reverted_warning(change))
    return judgement.join(await _JUDGES[resource](context, change)) if change.matters else judgement


@dataclass(frozen=True)
class Case:
    """A review, and the namespace that it comes from."""

    resource: type[Resource]
    request: AdmissionRequest
    installation: Installation
    reads: Reads

    def run(self, way: Any, **fault: Any) -> tuple[Any, Reads]:
        """What is answered, or raised, and what was read and written."""
        reads = replace(self.reads, made=[], written=[], **fault)
        context = Context(
            reads,  # type: ignore[arg-type]
            installation=self.installation,
            system_namespace="tenure-system",
            request_seconds=60,
            now=lambda: NOW,
        )
        try:
            return asyncio.run(way(context, self.resource, self.request)), reads
        except TenureError as error:
            return (type(error), str(error)), reads


class Maker:
    """Random namespaces and reviews."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.chance = self.random.random

    def one(self, *choices: Any) -> Any:
        """One of them."""
        return self.random.choice(choices)

    def case(self) -> Case:
        """A review and its namespace."""
        organizations = self.organizations()
        acme = organizations[0] if organizations else organization()
        members = self.members()
        keys = self.keys(members, acme)
        members = [self.counted(member, keys) for member in members]
        resource = self.random.choice(KINDS)
        old, new, name = self.change(resource, organizations, members, keys)
        requester = self.one("root@elsewhere.example", "alice@acme.io", "olga@acme.io", "bob@acme.io", "ci")
        operation = "CREATE" if old is None else "DELETE" if new is None else "UPDATE"
        asked = review(
            self.one(*[NAMESPACE] * 9, "default", "kube-x") if old is None and resource is Organization else NAMESPACE,
            name=name,
            operation=operation,
            resource={"group": GROUP, "version": VERSION, "resource": resource.plural},
            object=new,
            oldObject=old,
            userInfo={"username": requester},
            dryRun=self.chance() < 0.2,
            options={"fieldManager": self.one("kubectl-patch", "flux", "")},
        )["request"]
        installation = Installation(
            username_prefix=self.one("", "", "", "oidc:"),
            when_keys_exist=WhenKeysExist(self.one(*MODES)),
            limits=Limits(
                when_keys_exist=WhenKeysExist(self.one("Warn", "Warn", *MODES)),
                max_per_member=self.one(None, None, 1, 3),
                require_expiry=self.chance() < 0.2,
            ),
        )
        reads = Reads(
            organizations=organizations,
            memberships=members,
            api_keys=keys,
            granted=self.granted(),
            lease=self.lease(members),
            terminating=self.chance() < 0.3,
            **self.conflict(),
        )
        return Case(resource, AdmissionRequest.model_validate(asked), installation, reads)

    def conflict(self) -> dict[str, Any]:
        """Somebody else takes the lease first, now and then."""
        if self.chance() < 0.15:
            return {"fails": "write lease", "error": self.one(ConflictError("taken"), AlreadyExistsError("there"))}
        return {}

    def granted(self) -> set[str]:
        """What the requester may do."""
        if self.chance() < 0.55:
            return {"*"}
        everything = [
            *(f"grant-{role.lower()} on organizations.tenure.dev/acme in namespace acme" for role in ROLES),
            *(f"revoke on apikeys.tenure.dev/k{number} in namespace acme" for number in range(4)),
            *(f"delete on memberships.tenure.dev/{name} in namespace acme" for name in ("olga", "omar", "alice", "ci")),
            "delete on organizations.tenure.dev/acme in namespace acme",
            *(f"delete on apikeys.tenure.dev/k{number} in namespace acme" for number in range(4)),
        ]
        share = self.one(0.2, 0.6, 0.9)
        return {one for one in everything if self.chance() < share}

    def organizations(self) -> list[Organization]:
        """None, one or two."""
        number = self.one(0, *[1] * 9, 2)
        return [self.organization(name) for name in ("acme", "other")[:number]]

    def organization(self, name: str) -> Organization:
        """An Organization with any rules."""
        deny = [
            {"from": self.one("*", "None", *ROLES), "to": self.one("*", *ROLES)} for _ in range(self.one(0, 0, 1, 2))
        ]
        changes = {"deny": deny, **({"whenKeysExist": self.one(*MODES)} if self.chance() < 0.8 else {})}
        keys = {
            **({"maxPerMember": self.one(1, 2, 5)} if self.chance() < 0.5 else {}),
            **({"requireExpiry": True} if self.chance() < 0.2 else {}),
            **({"maxTTL": "24h"} if self.chance() < 0.2 else {}),
            **({"secretMetadataPrefixes": ["acme.io/"]} if self.chance() < 0.5 else {}),
        }
        made = organization(
            name,
            keys=keys,
            role_changes=changes,
            suspended=self.chance() < 0.25 or None,
            suspended_members=[one for one in ("olga", "omar", "alice") if self.chance() < 0.15],
            deleting=self.chance() < 0.1,
            status={"keys": {"valid": self.one(0, 1, 3), "suspended": 0, "waiting": 0, "ended": 0}},
        )
        domains, protected = self.one(None, None, ["acme.io"], ["else.io"]), self.chance() < 0.5 or None
        spec = made.spec.model_copy(update={"allowed_email_domains": domains, "deletion_protection": protected})
        return made.model_copy(update={"spec": spec})

    def members(self) -> list[Membership]:
        """Up to five of them."""
        made = [
            membership("olga", role=self.one("Owner", "Owner", "Owner", "Member"), **self.meta()),
            membership("omar", role=self.one("Owner", "Owner", "Viewer"), **self.meta()),
            membership("alice", role=self.one(*ROLES), **self.meta()),
            membership("bob", role="Viewer", subject=self.one("alice@acme.io", "bob@acme.io"), **self.meta()),
            membership("ci", kind="ServiceAccount", role=self.one(*ROLES[1:]), **self.meta()),
        ]
        return [self.owned(one) for one in made if self.chance() < 0.9]

    def meta(self) -> dict[str, Any]:
        """Metadata of an object."""
        return {"deleting": self.chance() < 0.08, "version": self.one(1, 2), "generation": self.one(1, 2)}

    def owned(self, member: Membership) -> Membership:
        """The member, who may have an ownerReference or be a duplicate."""
        metadata = member.metadata.model_copy(update={"owned": self.chance() < 0.1})
        status = member.status
        if self.chance() < 0.05:
            status = type(status).model_validate({"conditions": [condition("Ready", "DuplicateSubject", holds=False)]})
        return member.model_copy(update={"metadata": metadata, "status": status})

    def keys(self, members: list[Membership], acme: Organization) -> list[ApiKey]:
        """A few or many keys."""
        number = self.one(0, 2, 4, 4, 12)
        return [self.key(f"k{index}", self.random.choice(members or [membership()]), acme) for index in range(number)]

    def key(self, name: str, member: Membership, acme: Organization) -> ApiKey:
        """A key that works, or doesn't for any reason."""
        made = api_key(
            name,
            membership=self.one(*[member.name] * 5, "nobody"),
            for_role=self.one(None, None, None, *ROLES),
            ttl=self.one(None, None, None, "1h", "9999h"),
            suspended=self.chance() < 0.25 or None,
            revision=self.one(None, None, 2),
            deleting=self.chance() < 0.05,
            secret_template=self.one(None, None, {"labels": {"team": "core"}}),
        )
        if self.chance() < 0.25:
            return made
        return issued(
            made,
            member,
            acme,
            membership_generation=member.metadata.generation - (self.chance() < 0.1),
            secret_uid=self.one("uid", "uid", "uid", None),
            reason=self.one("Issued", "Issued", "Issued", "Suspended"),
        )

    def counted(self, member: Membership, keys: list[ApiKey]) -> Membership:
        """The member with a status that lists keys; now and then it counts more than it lists."""
        own = [key for key in keys if key.spec.membership == member.name and key.status.issued is not None]
        listed = [
            {
                "name": key.name,
                "keyId": key.status.key_id,
                "access": "Full",
                "issuedAt": format_time(NOW - timedelta(days=3)),
                **({"forRole": key.spec.for_role} if key.spec.for_role else {}),
            }
            for key in own
        ]
        waiting = [{"name": "next", "forRole": self.one(*ROLES)}] if self.chance() < 0.3 else None
        fields = {"keyCount": len(own) + self.one(0, 0, 3), "keys": listed, "waitingKeys": waiting}
        conditions = [one.model_dump(by_alias=True) for one in member.status.conditions]
        return member.model_copy(
            update={"status": type(member.status).model_validate({**fields, "conditions": conditions})}
        )

    def lease(self, members: list[Membership]) -> Lease | None:
        """No lease, or one that is held, over, or held for a version that is over."""
        if self.chance() < 0.4:
            return None
        holder = self.one(*(member.metadata.uid for member in members), "somebody") if members else "somebody"
        return Lease(
            namespace="tenure-system",
            name=f"tenure-owners-{NAMESPACE}",
            holder=holder,
            held_version=self.one("1", "2"),
            acquired=NOW - timedelta(seconds=self.one(1, 69, 70, 1000)),
            seconds=70,
            resource_version="41",
        )

    def change(
        self,
        resource: type[Resource],
        organizations: list[Organization],
        members: list[Membership],
        keys: list[ApiKey],
    ) -> tuple[Any, Any, str]:
        """The object before and after, and its name."""
        present: Any = {Organization: organizations, Membership: members, ApiKey: keys}[resource]
        action = self.one("create", "update", "update", "update", "delete") if present else "create"
        if action == "create":
            new = self.marked(self.fresh(resource, members), None)
            return None, new, new["metadata"].get("name", "")
        one = self.random.choice(present)
        old = self.body(one)
        if self.chance() < 0.15:
            old["metadata"]["labels"] = {f"l{number}": "x" for number in range(70)}
        if action == "delete":
            return old, None, one.name
        return old, self.marked(self.changed(resource, old), one), one.name

    def fresh(self, resource: type[Resource], members: list[Membership]) -> Any:
        """A new object."""
        if resource is Organization:
            return self.body(self.organization(self.one("acme", "other", "third")))
        if resource is Membership:
            name = self.one("nora", "alice", "sam")
            role, where = self.one(*ROLES), self.one("acme", "acme", "acme", "other")
            person = membership(
                name, role=role, subject=self.one(None, "alice@acme.io", "x@else.io"), organization=where
            )
            robot = membership("ci-2", kind="ServiceAccount", role=role, subject=self.one("ci", "ci-2"))
            return self.body(self.one(person, person, robot))
        named = self.one(*(member.name for member in members), "nobody") if members else "nobody"
        made = api_key(
            "new",
            membership=named,
            ttl=self.one(None, "1h", "9999h"),
            expires_at=self.one(None, None, "2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
            secret_template=self.one(None, None, {"labels": {"team": "core"}}, {"labels": {"acme.io/x": "y"}}),
            created=NOW,
        )
        return self.body(made)

    def changed(self, resource: type[Resource], old: Any) -> Any:
        """The object after a change of its spec."""
        spec = dict(old["spec"])
        if self.chance() < 0.1:
            return {**old, "metadata": dict(old["metadata"])}
        if resource is Membership:
            spec["role"] = self.one(*ROLES[1:], *ROLES)
        elif resource is ApiKey:
            spec.update(self.one({"revision": 9}, {"forRole": self.one(*ROLES)}, {"suspended": True}, {}))
            spec.update(self.one({}, {}, {"secretTemplate": {"labels": {"team": "core", "b": "c"}}}))
        else:
            names = [{"name": name} for name in ("olga", "omar", "alice") if self.chance() < 0.6]
            spec.update(self.one({"suspendedMembers": names}, {"deletionProtection": False}, {"displayName": "X"}))
        return {**old, "metadata": dict(old["metadata"]), "spec": spec}

    def marked(self, body: Any, one: Any) -> Any:
        """The object with annotations, labels and owner references of any kind."""
        metadata = body["metadata"]
        if self.chance() < 0.15:
            metadata["ownerReferences"] = [OWNER_REFERENCE]
        if self.chance() < 0.1:
            metadata["labels"] = {f"l{number}": "x" for number in range(self.one(65, 70, 75))}
        if self.chance() < 0.2:
            metadata["labels"] = {**metadata.get("labels", {}), FLUX: "x"}
        if isinstance(one, Membership):
            names = [key.name for key in one.status.keys or ()]
            role = Role(body["spec"]["role"])
            some = self.one(names, names, names[1:], [*names, "more"])
            text = self.one(
                spell(role, some), spell(role, some), spell(Role.OWNER, names), "?", f"{role}: all 12", None
            )
            if text is not None:
                metadata["annotations"] = {ANNOTATION: text}
        return body

    def body(self, one: Any) -> Any:
        """An object as the API server sends it."""
        metadata = one.metadata
        fields: dict[str, Any] = {
            "name": one.name,
            "namespace": NAMESPACE,
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "generation": metadata.generation,
            "creationTimestamp": format_time(metadata.creation_timestamp),
        }
        if metadata.deleting:
            fields["deletionTimestamp"] = format_time(metadata.deletion_timestamp)
        if isinstance(one, Membership) and self.chance() < 0.15:
            names = [key.name for key in one.status.keys or ()]
            fields["annotations"] = {ANNOTATION: spell(self.one(*Role), names)}
        dumped = {
            part: getattr(one, part).model_dump(by_alias=True, mode="json", exclude_none=True)
            for part in ("spec", "status")
        }
        return {"apiVersion": API_VERSION, "kind": one.kind, "metadata": fields, **dumped}


def answered(outcome: Any) -> tuple[Any, ...]:
    """What can be told apart of an outcome."""
    if not isinstance(outcome, Judgement):
        return ("raised", outcome)
    return (outcome.allowed, outcome.refusals, outcome.warnings, dict(outcome.audit), outcome.busy, outcome.message)


def is_too_large(outcome: Any) -> bool:
    """Whether a change is refused for its metadata: the way of before took a lease for it all the same."""
    return isinstance(outcome, Judgement) and any(
        refusal.startswith(("metadata.labels: ", "metadata.annotations: ")) for refusal in outcome.refusals
    )


def test_random_reviews_are_answered_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    tally: Counter[str] = Counter()
    for seed in range(REVIEWS):
        case = Maker(seed).case()
        before, reads_before = case.run(judge_before)
        after, reads_after = case.run(judge)
        needless = is_too_large(before) and "write lease" in reads_before.made
        tally["leases for what is refused anyway"] += needless
        if needless:
            assert "write lease" not in reads_after.made
            made = [one for one in reads_before.made if one != "write lease"]
            reads_before = replace(reads_before, written=[], made=made)
            before = replace(before, busy=after.busy, warnings=after.warnings) if before.busy else before
        assert answered(after) == answered(before), seed
        assert reads_after.written == reads_before.written, seed
        assert Counter(reads_after.made) == Counter(reads_before.made), seed
        tally.update([case.resource.kind, f"{case.resource.kind} {case.request.operation}", outcome_of(after)])
        tally["leases"] += len(reads_after.written)
        tally["warned"] += isinstance(after, Judgement) and after.warnings != ()
        tally["reads"] += len(reads_after.made)
    with capsys.disabled():
        print(dict(sorted(tally.items())))  # noqa: T201


def test_whichever_read_fails_the_outcome_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    tally: Counter[str] = Counter()
    for seed in range(FAILING):
        case = Maker(seed).case()
        _, reads = case.run(judge_before)
        for what in sorted(set(reads.made)):
            for error in (UnavailableError("away"), ConflictError("conflict"), AlreadyExistsError("there")):
                before, _ = case.run(judge_before, fails=what, error=error)
                after, _ = case.run(judge, fails=what, error=error)
                if what == "write lease" and is_too_large(after):
                    continue  # It isn't written any more.
                assert answered(after) == answered(before), (seed, what)
                tally[what.partition(" ")[0]] += 1
    with capsys.disabled():
        print(dict(sorted(tally.items())))  # noqa: T201


def outcome_of(outcome: Any) -> str:
    if not isinstance(outcome, Judgement):
        return "raised"
    return "busy" if outcome.busy and not outcome.refusals else "allowed" if outcome.allowed else "refused"
