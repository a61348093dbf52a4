"""A hand-over: who may give whose key to whom, by which rules, and what is said of the tokens."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from support.cases.cells import HANDOVER_CELLS, HOLDERS, PERSON, SERVICE_ACCOUNT, HandoverCell, lacked
from support.cluster.people import MEMBERS, PEOPLE
from support.objects import manifests
from support.objects.builders import (
    ISSUED,
    api_key,
    edited,
    issued,
    membership,
    organization,
    rotated,
    with_status,
)
from support.objects.evidence import judged
from support.objects.handed_over import handed_over
from tenure.domain.admission.verdict import Judgement
from tenure.domain.installation import Installation, Limits
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.roles import Role

Body = manifests.Body

ACME = organization()
ALICE, VIC = membership("alice"), membership("vic", role="Viewer")
CI, ROBOT = membership("ci", kind="ServiceAccount"), membership("robot", role="Viewer", kind="ServiceAccount")
OTHERS = "you need the grant of the role of each of the two, unless it is you. "


def body_of(key: ApiKey, **spec: Any) -> Body:
    """The key as it is stored, with other fields; None: without one."""
    body = key.model_dump(by_alias=True, mode="json", exclude_none=True)
    changed = {name: value for name, value in {**body["spec"], **spec}.items() if value is not None}
    return {"metadata": {"name": key.name}, "spec": changed, "status": body["status"]}


def hand_over(
    target: Membership | None, key: ApiKey | None = None, *, former: Membership | None = ALICE, **facts: Any
) -> Judgement:
    """What the hand-over of a key, which is alice's unless said otherwise, is answered. `spec` is what else changes."""
    held = issued(api_key("ci-deploy"), ALICE, ACME) if key is None else key
    name = target.name if target else "nobody"
    spec, before = facts.pop("spec", {}), facts.pop("before", {})
    old, new = body_of(held, **before), body_of(held, **{**before, "membership": name, **spec})
    return judged(ApiKey, old=old, new=new, membership=target, former=former, **facts)


def holder(name: str, role: Role | None) -> Membership | None:
    """The Membership of a cell."""
    kind = SERVICE_ACCOUNT if name.startswith("ci-") else PERSON
    return None if role is None else membership(name, role=role, kind=kind)


def test_the_table_is_complete() -> None:
    pairs = len(HOLDERS) * (len(HOLDERS) - 1)
    assert len(HANDOVER_CELLS) == pairs * len(PEOPLE) + 2 * len(HOLDERS) * len(MEMBERS)


@pytest.mark.parametrize("cell", HANDOVER_CELLS, ids=str)
def test_a_hand_over_needs_the_authority_over_both_members_keys(cell: HandoverCell) -> None:
    former, target = (holder(name, role) for name, role in cell.holders.items())
    answer = judged(
        ApiKey,
        old=manifests.api_key("target", cell.former),
        new=manifests.api_key("target", cell.target),
        username=cell.person.user,
        membership=target,
        former=former,
        grants=cell.person.grants,
        may_revoke=cell.person.revokes,
    )
    assert answer.allowed == (not cell.lacking)
    message = answer.message.replace("which isn't in namespace acme", "which is not there")
    assert lacked(message.replace("needs the grants of all roles, and ", "").replace("is a key of", "")) == cell.lacking
    if cell.lacking:
        assert message.startswith("spec.membership: ")
        assert (OTHERS in message) == (None not in cell.holders.values())


ROLES = ("Viewer", "Owner", "Member")


@pytest.mark.parametrize(("before", "after"), list(product([None, *ROLES], repeat=2)))
def test_it_needs_the_grants_of_the_roles_in_for_role_too(before: str | None, after: str | None) -> None:
    """A key that its holder approved for Owner, which is nobody's business, is given to somebody else's account."""
    approved = {role for role in (before, after) if role not in (None, "Viewer")}
    for person, former in (("vic@acme.io", VIC), ("helpdesk@acme.io", ROBOT)):
        said = hand_over(
            membership("ci", role="Viewer", kind="ServiceAccount"),
            api_key("ci-deploy", membership=former.name),
            former=former,
            before={"forRole": before},
            spec={"forRole": after, "revision": 2},
            username=person,
            grants={Role.VIEWER},
        )
        assert {role for role in Role if f"grant-{role.lower()}" in said.message} == approved
        assert said.allowed is (not approved)


@pytest.mark.parametrize(
    ("former", "target", "username", "grants", "lacking"),
    [
        pytest.param(VIC, CI, "vic@acme.io", {Role.VIEWER}, {"member"}, id="a Viewer gives a key to the pipeline"),
        pytest.param(CI, VIC, "vic@acme.io", {Role.VIEWER}, {"member"}, id="a Viewer takes the pipeline's key"),
        pytest.param(VIC, CI, "vic@acme.io", {Role.MEMBER}, set(), id="one's own is the own side"),
        pytest.param(VIC, CI, "Vic@acme.io", {Role.MEMBER}, {"viewer"}, id="by the very name only"),
        pytest.param(VIC, ALICE, "root", {Role.VIEWER}, {"member"}, id="a key is planted, and then promoted"),
        pytest.param(ALICE, VIC, "root", {Role.VIEWER}, {"member"}, id="a key is taken from a higher role"),
        pytest.param(ROBOT, CI, "root", {Role.VIEWER}, {"member"}, id="from one pipeline to a higher one"),
        pytest.param(
            membership("alice", organization="other"), VIC, "root", {Role.VIEWER}, {"member"}, id="of another one"
        ),
        pytest.param(None, VIC, "root", {Role.VIEWER}, {"owner", "member", "analyst"}, id="the former holder is gone"),
        pytest.param(VIC, None, "vic@acme.io", {Role.VIEWER}, {"owner", "member", "analyst"}, id="a name to be taken"),
    ],
)
@pytest.mark.parametrize("spec", [{}, {"revision": 2}, {"revision": 2, "rotation": {"request": 2}}], ids=str)
def test_nobody_gains_rights_by_a_hand_over(
    former: Membership | None,
    target: Membership | None,
    username: str,
    grants: set[Role],
    *,
    lacking: set[str],
    spec: Body,
) -> None:
    held = api_key("ci-deploy", membership=former.name if former else "gone")
    said = hand_over(target, held, former=former, username=username, grants=grants, spec=spec)
    assert {role.lower() for role in Role if f"grant-{role.lower()}" in said.message} == lacking
    assert said.allowed is (not lacking)


def test_grants_in_another_organization_count_for_its_members_only() -> None:
    """A requester's grants are asked on the Organization that each of the two names."""
    stranger = membership("zoe", organization="other")
    said = hand_over(stranger, grants=())
    assert "lacks grant-member on organizations.tenure.dev/acme in namespace acme and grant-member on " in said.message
    assert "organizations.tenure.dev/other" in said.message
    assert hand_over(stranger).message == (
        "spec.membership: alice belongs to Organization acme, and zoe to other. A key stays in its organization. "
        "Create another ApiKey for zoe."
    )


def test_a_suspension_is_lifted_by_a_hand_over_with_the_grant_of_ones_own_role_only() -> None:
    locked = issued(api_key("laptop", suspended=True), ALICE, ACME)
    own: Body = {"username": "alice@acme.io", "before": {"suspended": True}}
    target = membership("ci", role="Viewer", kind="ServiceAccount")
    assert hand_over(target, locked, grants={Role.VIEWER}, **own).allowed
    said = hand_over(target, locked, grants={Role.VIEWER}, spec={"suspended": None}, **own)
    assert said.message.startswith("spec.membership: alice@acme.io lacks grant-member on ")
    assert hand_over(target, locked, spec={"suspended": None}, **own).allowed


@pytest.mark.parametrize(
    ("former", "lacking"), [(ALICE, ["grant-member"]), (membership("alice", role="Owner"), ["grant-owner"]), (None, [])]
)
@pytest.mark.parametrize("username", ["root", "vic@acme.io"])
def test_a_lifted_suspension_needs_the_grants_of_all_whose_tokens_it_revives(
    former: Membership | None, lacking: list[str], username: str
) -> None:
    """The key was given to vic, and alice's token works again as well."""
    locked = handed_over(issued(api_key("laptop", suspended=True), ALICE, ACME), VIC)
    others = {"alice": former}
    bodies = {"old": body_of(locked), "new": body_of(locked, suspended=None)}
    facts: Body = {**bodies, "membership": VIC, "others": others, "username": username}
    said = judged(ApiKey, grants={Role.VIEWER}, **facts)
    assert [verb for verb in ("grant-member", "grant-owner") if f"{username} lacks {verb} " in said.message] == lacking
    assert said.message.startswith("spec.suspended: ") is bool(lacking)
    assert said.allowed is not bool(lacking)
    assert judged(ApiKey, **facts).allowed


COUNTS = organization(keys={"maxPerMember": 1})
EXPIRES = organization(keys={"requireExpiry": True})
SHORT = organization(keys={"maxTTL": "24h"})
STRICT = Installation(limits=Limits(max_per_member=1))
ONE_OF_CI = issued(api_key("pipeline", membership="ci"), CI, ACME)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"organization": COUNTS, "siblings": [ONE_OF_CI]}, "spec.membership: ci already has 1 key"),
        ({"installation": STRICT, "siblings": [ONE_OF_CI]}, "spec.membership: ci already has 1 key"),
        ({"organization": COUNTS}, ""),
        ({"organization": EXPIRES}, "spec: Keys of this organization must expire"),
        ({"organization": EXPIRES, "before": {"ttl": "8h"}}, ""),
        ({"organization": SHORT, "before": {"ttl": "48h"}}, "spec: The key would be valid for longer than 24h"),
        ({"organization": SHORT, "before": {"ttl": "8h"}}, ""),
    ],
)
def test_the_rules_for_the_next_holders_keys_hold(facts: Body, words: str) -> None:
    """They are those for a new key. That this one has a token already makes no difference."""
    message = hand_over(CI, **facts).message
    assert message.startswith(words)
    assert bool(message) is bool(words)


def test_a_person_outside_of_the_domains_gets_no_key() -> None:
    limited = ACME.model_copy(update={"spec": ACME.spec.model_copy(update={"allowed_email_domains": ["acme.io"]})})
    zoe = membership("zoe", subject="zoe@elsewhere.example")
    assert hand_over(zoe, organization=limited).message.startswith(
        "spec.membership: Organization acme doesn't allow the domain of zoe@elsewhere.example."
    )
    assert hand_over(VIC, organization=limited).allowed
    assert hand_over(CI, organization=limited).allowed


def test_somebody_who_takes_a_key_has_room_for_it() -> None:
    idle = [api_key(f"key-{number}", membership="mia") for number in range(300)]
    mia = membership("mia", role="Member")
    said = hand_over(mia, username="mia@acme.io", siblings=idle, grants={Role.MEMBER})
    assert said.message.startswith("spec.membership: mia already has ")
    assert hand_over(mia, siblings=idle).allowed


@pytest.mark.parametrize(
    ("kind", "stamped", "approved", "spec", "refused"),
    [
        pytest.param("ServiceAccount", None, "Viewer", {}, True, id="not noted yet"),
        pytest.param("ServiceAccount", None, "Viewer", {"forRole": None}, True, id="and removed in the same write"),
        pytest.param("ServiceAccount", None, "Viewer", {"revision": 2}, False, id="revoked in the same write"),
        pytest.param("ServiceAccount", "Viewer", "Viewer", {}, False, id="noted"),
        pytest.param("ServiceAccount", None, None, {"forRole": "Viewer"}, False, id="set for the next holder"),
        pytest.param("User", None, "Viewer", {}, False, id="a person's token follows the role anyway"),
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["member", "member gone"])
def test_no_token_is_freed_from_its_approval(
    kind: str, stamped: str | None, approved: str | None, spec: Body, *, refused: bool, known: bool
) -> None:
    """With the operator stopped: set, the role changed, handed over. The revoked token would work again."""
    robot = membership("alice", kind=kind)
    held = issued(api_key("ci-deploy", for_role=approved), robot, ACME, for_role=stamped)
    said = hand_over(CI, held, former=robot if known else None, spec=spec)
    assert said.message.startswith("spec.forRole: Tenure hasn't noted this field of ci-deploy") is refused
    assert said.allowed is not refused
    if refused:
        assert said.message.endswith("""--type merge -p '{"spec":{"membership":"ci","revision":2}}'""")


def test_no_token_of_a_third_member_is_freed_from_its_approval() -> None:
    """With the operator stopped: the robot's key was given to alice, approved, and is handed over once more."""
    pending = edited(issued(api_key("ci-deploy", membership="robot"), ROBOT, ACME), membership="alice")
    said = hand_over(CI, edited(pending, forRole="Member"), spec={"forRole": None})
    assert said.message.startswith("spec.forRole: Tenure hasn't noted this field of ci-deploy")
    assert hand_over(CI, pending).allowed


HELD = issued(api_key("ci-deploy"), ALICE, ACME, key_id="PRESENT")
WAITS = "spec.membership: the token PRESENT of ci-deploy stays valid for "


OVERLAP = f"{WAITS}1 h after Tenure has replaced it, or until alice's role changes."
BRIEF = (
    "spec.membership: the token PRESENT of ci-deploy stops working once Tenure has replaced it, because its overlap is "
    "0s."
)
BOTH_REVOKED = (
    "spec.revision: the tokens PRESENT and OLDER of ci-deploy stop working immediately, and Tenure issues a new one in "
    "the same Secret."
)
ROTATED = rotated(HELD, former="OLDER", ends_at=ISSUED + timedelta(hours=1))
ON = handed_over(HELD, CI)
LIMITED = issued(api_key("ci-deploy", capabilities=["members", "clusters"]), ALICE, ACME, key_id="PRESENT")
SAID: Mapping[str, tuple[Membership | None, ApiKey, Body, list[str]]] = {
    "as it is": (CI, HELD, {}, [OVERLAP]),
    "the organization's overlap": (
        CI,
        HELD,
        {"organization": organization(keys={"defaultOverlap": "30m"})},
        [OVERLAP.replace("1 h", "30 min")],
    ),
    "no overlap": (CI, HELD, {"before": {"rotation": {"overlap": "0s"}}}, [BRIEF]),
    "an older former token": (
        CI,
        ROTATED,
        {"now": ISSUED + timedelta(minutes=10)},
        [OVERLAP, "spec.membership: the former token OLDER of ci-deploy is revoked by the hand-over."],
    ),
    "one of a third member": (
        ROBOT,
        ON,
        {"former": CI, "others": {"alice": ALICE}},
        [
            OVERLAP.replace("PRESENT", "NNNNNNNNNNNN").replace("alice's role changes", "ci is removed"),
            "spec.membership: the former token PRESENT of ci-deploy is revoked by the hand-over.",
        ],
    ),
    "one of a third member who is gone": (
        ROBOT,
        ON,
        {"former": CI, "others": {"alice": None}},
        [OVERLAP.replace("PRESENT", "NNNNNNNNNNNN").replace("alice's role changes", "ci is removed")],
    ),
    "before the member whom it names has a token": (
        CI,
        edited(HELD, membership="vic"),
        {"former": VIC, "others": {"alice": ALICE}},
        [OVERLAP],
    ),
    "one that has expired": (CI, ROTATED, {"now": ISSUED + timedelta(hours=2)}, [OVERLAP]),
    "revoked in the same write": (CI, ROTATED, {"spec": {"revision": 2}}, [BOTH_REVOKED]),
    "to a Membership that isn't there yet": (
        None,
        HELD,
        {},
        [OVERLAP, "spec.membership: ci-deploy gets no token of nobody before that Membership is created."],
    ),
    "without a working token": (CI, edited(HELD, revision=2), {}, []),
    "never issued": (CI, api_key("ci-deploy"), {}, []),
    "its holder is gone": (CI, HELD, {"former": None}, []),
    "during a rotation": (CI, rotated(HELD, announced="NEXT"), {}, [OVERLAP]),
    "limited to what the next holder hasn't": (
        ROBOT,
        LIMITED,
        {},
        [
            "spec.capabilities: the role Viewer of robot gives no access to members, so ci-deploy has none either.",
            OVERLAP,
        ],
    ),
}


@pytest.mark.parametrize(("target", "key", "facts", "warnings"), SAID.values(), ids=SAID)
def test_the_warnings_say_what_becomes_of_each_token(
    target: Membership | None, key: ApiKey, facts: Body, warnings: list[str]
) -> None:
    said = hand_over(target, key, **facts)
    assert said.allowed
    assert list(said.warnings) == warnings


def test_a_secret_that_somebody_else_reads_is_mentioned() -> None:
    exposed = {"type": "Rotating", "status": "False", "reason": "SecretExposed", "message": "x"}
    conditions = [
        *HELD.status.conditions,
        type(HELD.status.conditions[0]).model_validate(
            {**exposed, "observedGeneration": 1, "lastTransitionTime": "2027-01-04T09:01:00Z"}
        ),
    ]
    held = with_status(HELD, HELD.status.model_copy(update={"conditions": conditions}))
    assert any("(SecretExposed)" in warning for warning in hand_over(CI, held).warnings)
