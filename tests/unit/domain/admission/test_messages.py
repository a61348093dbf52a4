"""The price in words: every warning is one short line, every refusal fits, and the command in it is whole."""

import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import NOW, membership
from tenure.domain.admission.acknowledgement import ANNOTATION, MOST_NAMES, Flaw, find_flaw, spell
from tenure.domain.admission.affected_keys import Price
from tenure.domain.admission.messages import (
    denied_with_keys,
    describe_key,
    ended_note,
    price_warnings,
    service_account_warning,
    unacknowledged,
)
from tenure.domain.admission.verdict import MAX_MESSAGE, MAX_WARNING, Judgement
from tenure.domain.resources.listed_key import ListedFormerToken, ListedKey
from tenure.domain.roles import Access, Capability, Role

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
SHORTEST_ROOM = 1300
"""Two other refusals with the longest names leave more."""

TRAITS = st.fixed_dictionaries(
    {
        "capabilities": st.sampled_from([None, [Capability.COSTS], list(Capability)]),
        "description": st.none() | st.text(max_size=256) | st.sampled_from(['"\\' * 128, "\U000e0001" * 256]),
    }
)


@st.composite
def listed_keys(draw: st.DrawFn, most: int = 50) -> tuple[ListedKey, ...]:
    """Working keys with names of any length."""
    names = draw(st.sets(NAMES, min_size=1, max_size=most))
    return tuple(key(name, days=draw(st.integers(0, 2000))).model_copy(update=draw(TRAITS)) for name in sorted(names))


def key(name: str, *, days: int = 41, expires: datetime | None = None) -> ListedKey:
    """A working key that was issued so many days ago."""
    issued_at = NOW - timedelta(days=days)
    return ListedKey(name=name, key_id="8fK2mQ7xLw3Z", access=Access.FULL, issued_at=issued_at, expires_at=expires)


@given(listed_keys(), st.lists(NAMES, max_size=20), st.integers(0, 900), NAMES, st.booleans())
def test_no_warning_is_cut(
    keys: tuple[ListedKey, ...],
    starts: list[str],
    unlisted: int,
    name: str,
    is_person: bool,  # noqa: FBT001
) -> None:
    member = membership(name, subject="a" * 180 + "@acme.io") if is_person else membership(name, kind="ServiceAccount")
    cost = (
        Price(revoked=keys, issued=tuple(starts), unlisted=unlisted)
        if is_person
        else Price(kept=keys, unlisted=unlisted)
    )
    warnings = [*price_warnings(member, Role.VIEWER, cost, NOW), service_account_warning(member, 7)]
    assert Judgement().warn(*warnings).warnings == tuple(warnings)
    assert max(len(warning) for warning in warnings if warning) <= MAX_WARNING


@given(listed_keys(), NAMES, NAMES, st.sampled_from([None, "Viewer: x", "Analyst: x", "?", "y" * 2000]), st.data())
def test_a_refusal_fits_into_its_room_and_its_command_approves(
    keys: tuple[ListedKey, ...], name: str, namespace: str, text: str | None, data: st.DataObject
) -> None:
    member = membership(name, namespace=namespace, subject="a" * 180 + "@acme.io")
    room = data.draw(st.integers(SHORTEST_ROOM, MAX_MESSAGE))
    names = [one.name for one in keys]
    flaw = find_flaw(None, text, Role.VIEWER, names)
    if flaw is None:
        return
    line = spell(Role.VIEWER, names, text)
    refusal = unacknowledged(member, Role.VIEWER, Price(revoked=keys), flaw, acknowledgement=line, now=NOW, room=room)
    assert len(refusal) <= room
    (command,) = [line for line in refusal.splitlines() if line.startswith("  kubectl ")]
    *words, flag, patch = shlex.split(command)
    assert words == ["kubectl", "patch", "memberships.tenure.dev", name, "-n", namespace, "--type", "merge"]
    assert flag == "-p"
    body = json.loads(patch)
    assert body["spec"] == {"role": "Viewer"}
    assert find_flaw(text, body["metadata"]["annotations"][ANNOTATION], Role.VIEWER, names) is None


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(), "0 s old"),
        (timedelta(seconds=59), "59 s old"),
        (timedelta(minutes=1), "1 min old"),
        (timedelta(minutes=59, seconds=59), "59 min old"),
        (timedelta(hours=1), "1 h old"),
        (timedelta(hours=23, minutes=59), "23 h old"),
        (timedelta(days=1), "1 d old"),
        (timedelta(days=4000), "4000 d old"),
        (timedelta(seconds=-5), "0 s old"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(age: timedelta, words: str) -> None:
    issued_at = NOW - age
    listed = ListedKey(name="a", key_id="8fK2mQ7xLw3Z", access=Access.FULL, issued_at=issued_at)
    assert describe_key(listed, NOW) == f"a (8fK2mQ7xLw3Z, {words})"


def test_a_key_is_described_by_id_age_and_expiry() -> None:
    ends = NOW.astimezone(UTC) + timedelta(days=3, hours=2)
    assert describe_key(key("a", expires=ends), NOW) == "a (8fK2mQ7xLw3Z, 41 d old, expires in 3 d)"


def test_a_former_token_that_is_valid_is_named_with_the_time_left() -> None:
    former = ListedFormerToken(key_id="F" * 12, ends_at=NOW + timedelta(minutes=35))
    listed = key("a").model_copy(update={"former": former})
    assert describe_key(listed, NOW) == f"a (8fK2mQ7xLw3Z, 41 d old, former token {'F' * 12} valid for 35 min)"
    assert "former" not in describe_key(listed, former.ends_at)


@pytest.mark.parametrize(
    ("capabilities", "description", "words"),
    [
        ([Capability.COSTS], None, "only costs"),
        (list(Capability), None, "only clusters, billing, costs, organization and members"),
        (None, "GitLab project infra/deploy", '"GitLab project infra/deploy"'),
        ([Capability.CLUSTERS, Capability.COSTS], "ci", 'only clusters and costs, "ci"'),
        (None, "x" * 61, f'"{"x" * 59}…"'),
        (None, 'ok"), laptop (8f', r'"ok\"), laptop (8f"'),
        (None, "one\ntwo\x1b[31m\u202e", r'"one\ntwo\u001b[31m\u202e"'),
    ],
)
def test_a_key_is_described_by_its_limits_and_by_the_words_that_its_holder_chose(
    capabilities: list[Capability] | None, description: str | None, words: str
) -> None:
    listed = key("a").model_copy(update={"capabilities": capabilities, "description": description})
    assert describe_key(listed, NOW) == f"a (8fK2mQ7xLw3Z, 41 d old, {words})"


def test_a_denial_describes_the_keys_if_there_is_room_and_names_them_otherwise() -> None:
    keys = tuple(key(name).model_copy(update={"description": "x" * 60}) for name in "abcdefgh")
    texts = [
        denied_with_keys(membership(), Role.VIEWER, Price(revoked=keys), "acme", room=room) for room in (2000, 500)
    ]
    assert f'revoke a ("{"x" * 60}"), b (' in texts[0]
    assert "revoke a, b, c, d, e, f, g, h. First delete" in texts[1]
    assert all(text.endswith("get a new token with it.") for text in texts)


def test_if_its_use_is_known_it_is_said_wherever_a_key_is_named() -> None:
    cost = Price(revoked=(key("a"), key("b"), key("c")), uses={"a": "used today", "b": "last used 2026-10-02"})
    described = ["a (8fK2mQ7xLw3Z, 41 d old, used today)", "b (8fK2mQ7xLw3Z, 41 d old, last used 2026-10-02)"]
    assert [*price_warnings(membership(), Role.VIEWER, cost, NOW)][1:4] == [
        *(f"- {one}" for one in described),
        "- c (8fK2mQ7xLw3Z, 41 d old)",
    ]
    denied = denied_with_keys(membership(), Role.VIEWER, cost, "acme", room=2000)
    assert "a (used today), b (last used 2026-10-02), c. First delete" in denied
    flaw = Flaw("", "")
    refusal = unacknowledged(membership(), Role.VIEWER, cost, flaw, acknowledgement="Viewer: all", now=NOW, room=2000)
    assert all(one in refusal for one in described)


@given(listed_keys(most=60), st.integers(0, 900))
def test_the_audit_log_gets_whole_names_and_the_number_of_all(keys: tuple[ListedKey, ...], unlisted: int) -> None:
    note = ended_note(Price(revoked=keys, unlisted=unlisted))
    listed, _, rest = note.partition(" and ")
    names = [name for name in listed.split(", ") if name]
    assert len(note) <= 1000
    assert names == [one.name for one in keys][: len(names)]
    assert len(names) + int(rest.split(" ")[0] if rest else 0) == len(keys) + unlisted


def test_up_to_eight_are_named() -> None:
    assert MOST_NAMES == 8
