"""The table of roles is API: this is its second copy, kept by hand."""

from itertools import chain, combinations, product

import pytest

from tenure.domain.roles import CAPABILITIES, DESCRIPTIONS, Access, Capability, Level, Role, capabilities

TABLE = """
| capability   | Owner | Member | Analyst | Viewer |
| clusters     | Full  | Full   | View    | View   |
| billing      | Full  | View   | View    | View   |
| costs        | Full  | Full   | Full    | View   |
| organization | Full  | None   | None    | None   |
| members      | Full  | None   | None    | None   |
"""

HEADER, *ROWS = ([cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.split("\n") if line)
CELLS = [
    pytest.param(role, row[0], level, id=f"{role}-{row[0]}")
    for row in ROWS
    for role, level in zip(HEADER[1:], row[1:], strict=True)
]


def test_the_table_has_all_roles_and_capabilities_and_no_more() -> None:
    assert [role.value for role in Role] == HEADER[1:]
    assert [capability.value for capability in Capability] == [row[0] for row in ROWS]
    assert list(CAPABILITIES) == list(Role)
    assert all(list(levels) == list(Capability) for levels in CAPABILITIES.values())


@pytest.mark.parametrize(("role", "capability", "level"), CELLS)
def test_a_role_opens_what_the_table_says(role: str, capability: str, level: str) -> None:
    assert CAPABILITIES[Role(role)][Capability(capability)].label == level
    assert capabilities(Role(role))[Capability(capability)].label == level


@pytest.mark.parametrize(("role", "capability", "level"), CELLS)
def test_a_key_with_access_view_never_opens_more_than_view(role: str, capability: str, level: str) -> None:
    capped = {"Full": "View", "View": "View", "None": "None"}[level]
    assert capabilities(Role(role), Access.VIEW)[Capability(capability)].label == capped


def test_levels_are_ordered() -> None:
    assert Level.NONE < Level.VIEW < Level.FULL
    assert [level.label for level in Level] == ["None", "View", "Full"]


def test_every_capability_is_described() -> None:
    assert set(DESCRIPTIONS) == set(Capability)
    assert all(DESCRIPTIONS.values())


def test_nobody_can_change_the_table_at_run_time() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        CAPABILITIES[Role.VIEWER][Capability.MEMBERS] = Level.FULL  # type: ignore[index]
    with pytest.raises(TypeError, match="does not support item assignment"):
        CAPABILITIES[Role.VIEWER] = CAPABILITIES[Role.OWNER]  # type: ignore[index]


def test_an_answer_is_the_callers_own() -> None:
    capabilities(Role.VIEWER)[Capability.MEMBERS] = Level.FULL
    assert capabilities(Role.VIEWER)[Capability.MEMBERS] is Level.NONE


SUBSETS = list(chain.from_iterable(combinations(Capability, size) for size in range(len(Capability) + 1)))


@pytest.mark.parametrize(("role", "access"), [*product(Role, Access)], ids=str)
def test_a_limited_key_opens_what_its_role_and_access_open_of_the_listed_ones_and_nothing_else(
    role: Role, access: Access
) -> None:
    assert len(SUBSETS) == 32
    everything = capabilities(role, access)
    for subset in SUBSETS:
        expected = {name: level if name in subset else Level.NONE for name, level in everything.items()}
        assert capabilities(role, access, subset) == expected
