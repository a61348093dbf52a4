"""What a token opens: every question against the table of roles, and what is said to be missing."""

from collections.abc import Sequence
from itertools import combinations, product

import pytest

from support.objects.builders import NOW, api_key, issued, membership, organization
from tenure.domain.roles import CAPABILITIES, Access, Capability, Level, Role
from tenure.domain.validity import Verdict
from tenure.domain.verification import Code, Decision, Holding, Question, decide


def held(
    role: str = "Member", access: str = "Full", kind: str = "User", only: Sequence[Capability] | None = None
) -> Holding:
    member, acme = membership(role=role, kind=kind), organization()
    limits = None if only is None else [name.value for name in only]
    return Holding(issued(api_key(access=access, capabilities=limits), member, acme), member, acme)


def decided(holding: Holding, question: Question) -> Decision:
    decision = decide(holding, question, NOW)
    assert decision is not None
    return decision


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize("access", Access, ids=lambda access: access.value)
@pytest.mark.parametrize("capability", Capability, ids=lambda capability: capability.value)
@pytest.mark.parametrize("level", [Level.VIEW, Level.FULL], ids=lambda level: level.label)
def test_a_capability_opens_as_far_as_role_and_access_reach(
    role: Role, access: Access, capability: Capability, level: Level
) -> None:
    most = min(CAPABILITIES[role][capability], Level.VIEW if access is Access.VIEW else Level.FULL)
    decision = decided(held(role.value, access.value), Question("acme", capability, level))
    assert decision.valid is (most >= level)
    assert decision.missing == ("" if decision.valid else f"{capability.value}={level.label}")


@pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
@pytest.mark.parametrize("access", Access, ids=lambda access: access.value)
def test_a_level_without_a_capability_needs_one_capability_of_that_level(role: Role, access: Access) -> None:
    assert decided(held(role.value, access.value), Question("acme", level=Level.VIEW)).valid
    decision = decided(held(role.value, access.value), Question("acme", level=Level.FULL))
    assert decision.valid is (access is Access.FULL and role is not Role.VIEWER)
    assert decision.missing == ("" if decision.valid else "level=Full")


LIMITS = [subset for size in range(1, 6) for subset in combinations(Capability, size)]
LEVELS = [Level.VIEW, Level.FULL]


@pytest.mark.parametrize(("role", "access"), [*product(Role, Access)], ids=str)
def test_a_narrowed_key_opens_nothing_but_its_capabilities_as_far_as_role_and_access_reach(
    role: Role, access: Access
) -> None:
    for only, capability, level in product(LIMITS, Capability, LEVELS):
        wide = decided(held(role.value, access.value), Question("acme", capability, level))
        narrow = decided(held(role.value, access.value, only=only), Question("acme", capability, level))
        assert narrow.valid is (wide.valid and capability in only), (only, capability, level)
        assert narrow.missing == ("" if narrow.valid else f"{capability.value}={level.label}")


@pytest.mark.parametrize(("role", "access", "level"), [*product(Role, Access, LEVELS)], ids=str)
def test_a_narrowed_key_is_refused_unless_a_capability_is_asked_for(role: Role, access: Access, level: Level) -> None:
    for only in LIMITS:
        holding = held(role.value, access.value, only=only)
        for question in (Question(level=level), Question("acme", level=level, namespace="acme")):
            decision = decided(holding, question)
            assert (decision.code, decision.missing) == (Code.FORBIDDEN, "capability")
        assert decided(holding, Question("globex", level=level)).missing == "organization"
        assert decided(holding, Question(level=level, namespace="another")).missing == "namespace"


def test_whose_a_narrowed_key_is_can_be_asked_without_a_capability() -> None:
    decision = decided(held("Owner", only=[Capability.COSTS]), Question(only_identity=True))
    assert (decision.valid, decision.role, decision.narrowed_to) == (True, Role.OWNER, [Capability.COSTS])
    assert decision.levels == {name: Level.FULL if name == "costs" else Level.NONE for name in Capability}


def test_a_token_that_was_issued_without_the_limit_of_its_key_is_not_valid() -> None:
    member, acme = membership(), organization()
    key = issued(api_key(capabilities=["costs"]), member, acme, capabilities=None)
    question = Question(capability=Capability.COSTS)
    assert decided(Holding(key, member, acme), question).code is Code.PENDING


def test_level_none_is_no_way_in() -> None:
    decision = decided(held("Viewer"), Question(capability=Capability.MEMBERS, level=Level.NONE))
    assert (decision.code, decision.missing) == (Code.FORBIDDEN, "members=View")


@pytest.mark.parametrize("capability", [None, Capability.COSTS, Capability.MEMBERS], ids=str)
def test_of_another_organization_the_organization_is_missing_whatever_else_is_asked(
    capability: Capability | None,
) -> None:
    decision = decided(held(), Question("globex", capability))
    assert (decision.code, decision.missing) == (Code.FORBIDDEN, "organization")


@pytest.mark.parametrize("capability", [None, Capability.COSTS, Capability.MEMBERS], ids=str)
def test_of_a_namesake_in_another_namespace_the_namespace_is_missing_whatever_else_is_asked(
    capability: Capability | None,
) -> None:
    decision = decided(held(), Question("acme", capability, namespace="another"))
    assert (decision.code, decision.missing) == (Code.FORBIDDEN, "namespace")
    assert decided(held(), Question("acme", Capability.COSTS, namespace="acme")).valid


def test_a_key_that_works_and_does_not_open_this_says_whose_it_is() -> None:
    decision = decided(held(), Question("globex"))
    assert (decision.role, decision.access) == (Role.MEMBER, Access.FULL)
    assert decision.holding == held()


def test_a_key_is_judged_at_the_present_moment() -> None:
    holding = held()
    key = issued(api_key(ttl="1h"), membership(), organization())
    expiring = Holding(key, holding.membership, holding.organization)
    assert decided(expiring, Question()).code is Code.EXPIRED


def test_without_a_question_a_key_that_works_is_valid() -> None:
    decision = decided(held(), Question())
    assert (decision.code, decision.role, decision.access) == (Code.VALID, Role.MEMBER, Access.FULL)
    assert decision.levels == dict(CAPABILITIES[Role.MEMBER])


def test_a_view_key_shows_no_level_above_view() -> None:
    assert set(decided(held("Owner", "View"), Question()).levels.values()) == {Level.VIEW}


def test_a_service_account_has_the_rights_of_its_live_role() -> None:
    holding = held(kind="ServiceAccount")
    viewer = membership(role="Viewer", kind="ServiceAccount", generation=2)
    moved = Holding(holding.api_key, viewer, holding.organization)
    assert decided(moved, Question(capability=Capability.COSTS)).valid
    assert decided(moved, Question(capability=Capability.COSTS, level=Level.FULL)).missing == "costs=Full"


@pytest.mark.parametrize("organization_name", [None, "acme", "globex"], ids=str)
def test_a_key_that_does_not_work_says_why_and_not_what_is_missing(organization_name: str | None) -> None:
    holding = held()
    changed = Holding(holding.api_key, membership(role="Viewer", generation=2), holding.organization)
    decision = decided(changed, Question(organization_name, Capability.MEMBERS))
    assert (decision.code, decision.missing) == (Code.ROLE_CHANGED, "")


def test_a_stamp_that_is_newer_than_the_membership_at_hand_is_not_decided() -> None:
    member = membership(generation=2)
    key = issued(api_key(), member, organization())
    assert decide(Holding(key, membership(generation=1), organization()), Question(), NOW) is None


def test_every_verdict_but_one_has_a_code_of_its_name() -> None:
    names = {verdict.value for verdict in Verdict} - {Verdict.BEHIND.value}
    assert names | {"Malformed", "Forbidden"} == {code.value for code in Code}


def test_nothing_but_valid_is_valid() -> None:
    for code, organization_name in product(Code, (None, "acme")):
        assert Decision(code, held(), organization_name or "").valid is (code is Code.VALID)
