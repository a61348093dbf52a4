"""Who may give and take roles, and touch whose key: every role, every requester; nobody raises themselves."""

from itertools import product
from typing import Any

import pytest

from support.cases.cells import HOLDERS, KEY_CELLS, MEMBER_CELLS, OPERATIONS, PERSON, ROLES, KeyCell, MemberCell, lacked
from support.cluster.people import MEMBERS, PEOPLE
from support.objects import manifests
from support.objects.builders import membership
from support.objects.evidence import judged
from tenure.domain.admission.verdict import Judgement
from tenure.domain.installation import Installation
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.roles import Role

Body = manifests.Body

PLACE = "organizations.tenure.dev/acme in namespace acme"
SAM = "sam@acme.io"
BY_RANK = [Role.VIEWER, Role.ANALYST, Role.MEMBER, Role.OWNER]
STEPS = [(old, new) for old, new in product(Role, repeat=2) if old is not new]
OIDC = Installation(username_prefix="oidc:")
RAISES_ITSELF = "spec.role: {} can't raise their own role. Ask an Owner or a cluster administrator to make this change."


def test_the_tables_are_complete() -> None:
    changes = {kind: (len(roles) + 1) ** 2 - len(roles) - 1 for kind, roles in ROLES.items()}
    assert changes == {"User": 20, "ServiceAccount": 12}
    assert len(MEMBER_CELLS) == len(PEOPLE) * sum(changes.values())
    assert len(KEY_CELLS) == len(OPERATIONS) * (len(MEMBERS) + len(PEOPLE) * len(HOLDERS))


def check(cell: MemberCell | KeyCell, answer: Judgement, field: str) -> None:
    """Whoever lacks nothing is let in, and whoever lacks a grant is told which."""
    assert answer.allowed == (not cell.lacking)
    assert lacked(answer.message) == cell.lacking
    if not cell.lacking:
        return
    assert PLACE in answer.message
    if isinstance(cell, KeyCell) and cell.role is None:
        assert answer.message.startswith(f"{field}: there is no Membership {cell.holder} in namespace acme. ")
        assert answer.message.endswith(f" Create Membership {cell.holder} first, or correct the name.")
    else:
        assert answer.message.startswith(f"{field}: {cell.person.user} lacks ")


@pytest.mark.parametrize("cell", MEMBER_CELLS, ids=str)
def test_a_membership_needs_the_grants_of_both_roles(cell: MemberCell) -> None:
    old, new = (None if role is None else cell.manifest("target", role) for role in (cell.old, cell.new))
    answer = judged(Membership, old=old, new=new, username=cell.person.user, grants=cell.person.grants)
    check(cell, answer, "spec.role")


@pytest.mark.parametrize("cell", KEY_CELLS, ids=str)
def test_a_key_is_touched_by_its_holder_and_by_whoever_may_grant_the_holders_role(cell: KeyCell) -> None:
    raised = {**cell.manifest, "spec": {**cell.manifest["spec"], "revision": 2}}
    answer = judged(
        ApiKey,
        old=None if cell.operation == "create" else cell.manifest,
        new={"create": cell.manifest, "update": raised}.get(cell.operation),
        username=cell.person.user,
        membership=membership(cell.holder, role=cell.role, kind=cell.kind) if cell.role is not None else None,
        grants=cell.person.grants,
        may_revoke=cell.person.revokes,
    )
    check(cell, answer, "spec.membership")


def sam(old: Role | None, new: Role | None, groups: list[str], *, kind: str = PERSON, name: str = "sam") -> Judgement:
    """What sam, who may grant everything, is answered about a Membership of sam's."""
    make = manifests.member if kind == PERSON else manifests.service_account
    before, after = (None if role is None else make("sam", role) for role in (old, new))
    if after is not None:
        after = {**after, "metadata": {"name": name}}
    return judged(Membership, old=before, new=after, username=SAM, groups=groups)


@pytest.mark.parametrize("groups", [[], ["system:masters"]], ids=["by grants", "as an administrator"])
class TestOnesOwn:
    """Whatever somebody may grant to others, by a Role or by being in system:masters."""

    @pytest.mark.parametrize(("old", "new"), STEPS, ids=str)
    def test_nobody_raises_their_own_role_and_who_may_grant_lowers_it(
        self, old: Role, new: Role, groups: list[str]
    ) -> None:
        raises = BY_RANK.index(new) > BY_RANK.index(old)
        said = sam(old, new, groups)
        assert said.refusals == ((RAISES_ITSELF.format(SAM),) if raises else ())
        assert ("keys-ended" in said.audit) is not raises

    @pytest.mark.parametrize("role", Role, ids=str)
    def test_nobody_makes_themselves_a_member_by_any_name(self, role: Role, groups: list[str]) -> None:
        for name in ("sam", "somebody-else"):
            assert sam(None, role, groups, name=name).message == RAISES_ITSELF.format(SAM)

    @pytest.mark.parametrize("role", Role, ids=str)
    def test_who_may_grant_leaves(self, role: Role, groups: list[str]) -> None:
        assert sam(role, None, groups).allowed

    def test_a_service_account_of_ones_own_name_is_somebody_else(self, groups: list[str]) -> None:
        assert sam(None, Role.VIEWER, groups, kind="ServiceAccount").allowed
        assert sam(Role.VIEWER, Role.MEMBER, groups, kind="ServiceAccount").allowed


@pytest.mark.parametrize(
    ("username", "is_sam", "may_be_sam"),
    [
        ("oidc:sam@acme.io", True, True),
        ("sam@acme.io", False, False),
        ("oidc:Sam@acme.io", False, True),
        ("oidc:oidc:sam@acme.io", False, False),
        ("OIDC:sam@acme.io", False, True),
    ],
)
def test_a_key_is_ones_own_by_the_very_name_and_a_raise_in_any_case(
    username: str,
    is_sam: bool,  # noqa: FBT001
    may_be_sam: bool,  # noqa: FBT001
) -> None:
    viewer, owner = (manifests.member("sam", role) for role in ("Viewer", "Owner"))
    for old in (None, viewer):
        said = judged(Membership, old=old, new=owner, username=username, installation=OIDC)
        assert said.message == (RAISES_ITSELF.format(username) if may_be_sam else "")
    key, holder = manifests.api_key("laptop", "sam"), membership("sam", role="Viewer")
    said = judged(ApiKey, new=key, username=username, membership=holder, grants=(), installation=OIDC)
    assert said.allowed is is_sam
    assert said.allowed or said.message.startswith(f"spec.membership: {username} lacks grant-viewer on ")


@pytest.mark.parametrize("old", [None, Role.VIEWER, Role.OWNER], ids=str)
def test_whoever_lacks_a_grant_for_their_own_role_is_told_both(old: Role | None) -> None:
    before = None if old is None else manifests.member("sam", old)
    said = judged(Membership, old=before, new=manifests.member("sam", "Owner"), username=SAM, grants=())
    fields = [refusal.partition(" lacks ")[0] for refusal in said.refusals]
    expected = [f"spec.role: {SAM}", RAISES_ITSELF.format(SAM)]
    assert fields == (expected if old is not Role.OWNER else fields[:1])


def test_the_right_to_revoke_deletes_a_key_and_changes_none() -> None:
    laptop = manifests.api_key("laptop", "alice")
    owned = {**laptop, "metadata": {**laptop["metadata"], "ownerReferences": [{"kind": "ConfigMap", "uid": "1"}]}}
    alice = membership("alice")

    def said(new: Body | None, **facts: Any) -> Judgement:
        return judged(ApiKey, old=laptop, new=new, membership=alice, grants=(), may_revoke=True, **facts)

    assert said(None).allowed
    assert said(owned).allowed
    assert "lacks delete on apikeys.tenure.dev/laptop" in said(owned, may_delete=False).message
    for spec in ({"revision": 2}, {"forRole": "Viewer"}, {"suspended": True}, {"expiresAt": "2099-01-01T00:00:00Z"}):
        for body in (laptop, owned):
            message = said({**body, "spec": {**laptop["spec"], **spec}}).message
            assert message.startswith("spec.membership: root@elsewhere.example lacks grant-member on ")


@pytest.mark.parametrize(
    "spec",
    [{"revision": 2}, {"forRole": "Owner"}, {"suspended": True}, {"expiresAt": "2099-01-01T00:00:00Z"}],
    ids=lambda spec: next(iter(spec)),
)
def test_b_26_nobody_changes_a_field_of_somebody_elses_key(spec: Body) -> None:
    laptop = manifests.api_key("laptop", "alice")
    new = {**laptop, "spec": {**laptop["spec"], **spec}}
    said = judged(ApiKey, old=laptop, new=new, username="mia@acme.io", membership=membership("alice"), grants=())
    assert said.message.startswith("spec.membership: mia@acme.io lacks grant-member on ")
    assert judged(
        ApiKey, old=laptop, new=new, username="alice@acme.io", membership=membership("alice"), grants=()
    ).allowed


@pytest.mark.parametrize(
    ("before", "after", "grants", "lacking"),
    [
        pytest.param(None, "Owner", {"Viewer"}, {"Owner"}, id="the planted key"),
        pytest.param(None, "Owner", {"Owner"}, {"Viewer"}, id="the member's role is needed too"),
        pytest.param(None, "Owner", set(), {"Viewer", "Owner"}, id="neither"),
        pytest.param(None, "Owner", {"Viewer", "Owner"}, set(), id="both"),
        pytest.param(None, "Viewer", {"Viewer"}, set(), id="the present role"),
        pytest.param("Owner", None, {"Viewer"}, {"Owner"}, id="taken away"),
        pytest.param("Owner", "Viewer", {"Viewer"}, {"Owner"}, id="from a higher role"),
        pytest.param("Member", "Owner", {"Viewer", "Owner"}, {"Member"}, id="from another role"),
        pytest.param("Owner", "Owner", {"Viewer"}, {"Owner"}, id="kept, and something else changed"),
    ],
)
@pytest.mark.parametrize("created", [False, True], ids=["changed", "created"])
def test_an_approval_for_a_role_needs_the_grants_of_all_its_roles(
    before: str | None, after: str | None, grants: set[str], lacking: set[str], *, created: bool
) -> None:
    def key(role: str | None, revision: int) -> Body:
        return manifests.api_key("planted", "alice", revision=revision, **({"forRole": role} if role else {}))

    if created and before:
        return
    said = judged(
        ApiKey,
        old=None if created else key(before, 1),
        new=key(after, 2),
        username="helpdesk@acme.io",
        membership=membership("alice", role="Viewer"),
        grants={Role(name) for name in grants},
    )
    assert said.allowed is (not lacking)
    assert {role for role in Role if f"grant-{role.lower()} on" in said.message} == lacking
    fields = {refusal.partition(": ")[0] for refusal in said.refusals}
    assert fields == ({"spec.membership"} if "Viewer" in lacking else set()) | (
        {"spec.forRole"} if lacking - {"Viewer"} else set()
    )


def test_a_holder_approves_and_whoever_may_revoke_deletes() -> None:
    key = manifests.api_key("laptop", "alice", forRole="Owner")
    viewer = membership("alice", role="Viewer")
    assert judged(ApiKey, new=key, username="alice@acme.io", membership=viewer, grants=()).allowed
    assert judged(ApiKey, old=key, membership=viewer, grants={Role.VIEWER}).allowed
    assert judged(ApiKey, old=key, membership=viewer, grants=(), may_revoke=True).allowed


@pytest.mark.parametrize("kind", ["User", "ServiceAccount"])
@pytest.mark.parametrize("known", [True, False], ids=["member", "member gone"])
def test_a_service_accounts_key_loses_its_approval_with_its_token_only(kind: str, *, known: bool) -> None:
    """Seen: set and removed around a role change while nobody looked, and the revoked token worked again."""
    holder = membership("ci", kind=kind)

    def said(new: Body) -> str:
        old = {**manifests.api_key("deploy", "ci", forRole="Viewer"), "status": {"subjectKind": kind}}
        return judged(ApiKey, old=old, new=new, membership=holder if known else None).message

    refused = kind == "ServiceAccount"
    message = said(manifests.api_key("deploy", "ci"))
    assert message.startswith("spec.forRole: deploy is a key of a service account, ") is refused
    assert bool(message) is refused
    if refused:
        assert message.endswith("""-p '{"spec":{"forRole":null,"revision":2}}'""")
    assert said(manifests.api_key("deploy", "ci", revision=2)) == ""
    assert said(manifests.api_key("deploy", "ci", forRole="Member")) == ""


@pytest.mark.parametrize(
    ("username", "grants", "allowed"),
    [
        pytest.param("alice@acme.io", (), False, id="its holder"),
        pytest.param("alice@acme.io", {Role.MEMBER}, True, id="its holder, who may grant the role"),
        pytest.param("alice@acme.io", {Role.VIEWER}, False, id="its holder, who may grant another role"),
        pytest.param("olga@acme.io", {Role.MEMBER}, True, id="an Owner"),
        pytest.param("vic@acme.io", (), False, id="somebody else"),
    ],
)
@pytest.mark.parametrize("lifted", [{}, {"suspended": False}, {"suspended": False, "revision": 2}], ids=str)
def test_lifting_a_suspension_needs_the_grant_of_the_members_role(
    username: str, grants: Any, lifted: Body, *, allowed: bool
) -> None:
    old = manifests.api_key("laptop", "alice", suspended=True)
    new = manifests.api_key("laptop", "alice", **lifted)
    said = judged(ApiKey, old=old, new=new, username=username, membership=membership("alice"), grants=grants)
    assert said.allowed is allowed
    field = "spec.suspended" if username == "alice@acme.io" else "spec.membership"
    assert said.message.startswith("" if allowed else f"{field}: {username} lacks grant-member on ")


def test_a_holder_suspends_a_key_and_changes_and_deletes_a_suspended_one() -> None:
    free, locked = manifests.api_key("laptop", "alice"), manifests.api_key("laptop", "alice", suspended=True)
    raised = manifests.api_key("laptop", "alice", suspended=True, revision=2)
    for old, new in ((free, locked), (locked, raised), (locked, None), (None, locked)):
        own: dict[str, Any] = {"username": "alice@acme.io", "membership": membership("alice"), "grants": ()}
        assert judged(ApiKey, old=old, new=new, **own).allowed


def test_a_name_that_differs_in_case_is_told_why_the_key_is_not_its_own() -> None:
    """Seen: the subject jane.doe@acme.io, and an identity provider that says Jane.Doe@acme.io."""
    jane = membership("jane", subject="jane.doe@acme.io")
    key = manifests.api_key("laptop", "jane")
    said = judged(ApiKey, new=key, username="Jane.Doe@acme.io", membership=jane, grants=())
    assert said.message.startswith("spec.membership: Jane.Doe@acme.io lacks grant-member on ")
    assert "Membership jane is for jane.doe@acme.io, so it isn't yours" in said.message
    assert said.message.endswith(" with spec.subject.name: Jane.Doe@acme.io.")
    assert "isn't yours" not in judged(ApiKey, new=key, username="mia@acme.io", membership=jane, grants=()).message
