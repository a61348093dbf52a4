"""The acknowledging annotation: how it is read, what it approves, and what is said where it doesn't."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.domain.admission.acknowledgement import MOST_NAMES, Acknowledgement, find_flaw, spell
from tenure.domain.roles import Role

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)
KEYS = st.sets(NAMES, min_size=1, max_size=20)
ROLES = st.sampled_from(Role)
BLANKS = st.text(" \t\n", max_size=3)


@given(ROLES, KEYS)
def test_what_is_printed_approves(role: Role, keys: set[str]) -> None:
    text = spell(role, keys)
    assert find_flaw(None, text, role, keys) is None
    assert find_flaw(text, spell(role, keys, spent=text), role, keys) is None
    assert len(keys) <= MOST_NAMES or text == f"{role}: all {len(keys)}"


@given(ROLES, KEYS, st.sets(NAMES, max_size=5), st.data())
def test_order_spaces_and_more_names_do_not_matter(
    role: Role, keys: set[str], more: set[str], data: st.DataObject
) -> None:
    names = data.draw(st.permutations(sorted(keys | more)))
    text = f"{data.draw(BLANKS)}{role}{data.draw(BLANKS)}:" + ",".join(
        f"{data.draw(BLANKS)}{name}{data.draw(BLANKS)}" for name in names
    )
    assert find_flaw("another", text, role, keys) is None


@given(ROLES, KEYS, st.data())
def test_a_name_that_is_missing_is_said(role: Role, keys: set[str], data: st.DataObject) -> None:
    missing = data.draw(st.sampled_from(sorted(keys)))
    flaw = find_flaw(None, f"{role}: {', '.join(keys - {missing})}", role, keys)
    assert flaw is not None
    assert flaw.text == f"The acknowledgement doesn't name {missing}."
    assert flaw.brief == "The acknowledgement doesn't name 1 of them."


@given(ROLES, ROLES, KEYS)
def test_one_for_another_role_approves_nothing(role: Role, other: Role, keys: set[str]) -> None:
    flaw = find_flaw(None, spell(other, keys), role, keys)
    assert (flaw is None) == (role is other)


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_number_stands_for_more_than_eight_keys_if_it_is_right(number: int, count: int) -> None:
    keys = [f"key-{position}" for position in range(count)]
    approves = find_flaw(None, f"Viewer: all {number}", Role.VIEWER, keys) is None
    assert approves == (number == count > MOST_NAMES)


@given(st.none() | st.text(), st.text(), ROLES, KEYS)
def test_nothing_that_was_there_or_is_missing_approves(
    before: str | None, text: str, role: Role, keys: set[str]
) -> None:
    assert find_flaw(before, None, role, keys) is not None
    assert find_flaw(text, text, role, keys) is not None


@given(ROLES, KEYS)
def test_what_approved_an_earlier_change_approves_no_other(role: Role, keys: set[str]) -> None:
    text = spell(role, keys)
    flaw = find_flaw(text, text, role, keys)
    assert flaw is not None
    assert "is from an earlier change" in flaw.text


@given(st.text())
def test_any_text_is_read_or_refused_with_how_to_write_it(text: str) -> None:
    role = text.partition(":")[0].strip()
    if ":" in text and role in set(Role):
        assert Acknowledgement.parse(text).role == role
    else:
        with pytest.raises(ValueError, match=r"^tenure.dev/acknowledge-key-deletion: write '<new role>: <names of the"):
            Acknowledgement.parse(text)


@pytest.mark.parametrize(
    ("text", "role", "names", "number"),
    [
        ("Viewer: a, b", Role.VIEWER, {"a", "b"}, None),
        ("Owner:", Role.OWNER, set(), None),
        ("Member: all 12", Role.MEMBER, set(), 12),
        ("Member: all", Role.MEMBER, {"all"}, None),
        ("Member: all 12, a", Role.MEMBER, {"all 12", "a"}, None),
        ("Member: all 12345", Role.MEMBER, {"all 12345"}, None),
        ("Viewer: a: b", Role.VIEWER, {"a: b"}, None),
    ],
)
def test_it_reads_role_names_and_number(text: str, role: Role, names: set[str], number: int | None) -> None:
    assert Acknowledgement.parse(text) == Acknowledgement(role, frozenset(names), number)
