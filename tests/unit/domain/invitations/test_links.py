"""Signed links: which are read, which are good, and that nothing tells a wrong one from another."""

import base64
import hmac
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.objects.builders import NOW, membership
from tenure.domain.invitations.links import (
    FORM_LIFE,
    MAX_LENGTH,
    REPEATED_WITHIN,
    Claim,
    SigningKey,
    Standing,
    judge,
    read_link,
)
from tenure.domain.resources import Membership
from tenure.domain.resources.base import format_time

OLD, NEW, FOREIGN = (SigningKey(bytes(range(start, start + 32))) for start in (0, 100, 200))
KEYS = NEW, OLD
ALICE = membership("alice", role="Viewer")
CLAIM = Claim.of(ALICE, NOW + timedelta(hours=168))
TOKEN = CLAIM.sign(KEYS)
SECOND = timedelta(seconds=1)


def test_a_link_never_changes_its_text() -> None:
    claim = Claim("8c5f2f5e-6f0e-5d0c-9d59-3a2c8e2b7a11", 3, NOW)
    assert claim.sign([OLD]) == (
        "OGM1ZjJmNWUtNmYwZS01ZDBjLTlkNTktM2EyYzhlMmI3YTExLjMuMTgwMzI4NTAwMC4ZofRtA0Dw12_eU4YUYQiWAB51qXAc9b-6GJO7swL0KA"
    )


def test_a_link_says_whom_it_is_for_and_until_when() -> None:
    assert read_link(TOKEN, KEYS) == CLAIM
    assert (CLAIM.uid, CLAIM.generation) == (ALICE.metadata.uid, 1)
    assert CLAIM.expires_at == NOW + timedelta(hours=168)


def test_the_newest_key_signs_and_every_key_verifies() -> None:
    assert read_link(TOKEN, [NEW]) == CLAIM
    assert read_link(TOKEN, [OLD]) is None
    assert read_link(CLAIM.sign([OLD]), KEYS) == CLAIM


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("x", id="one letter"),
        pytest.param(TOKEN[:-1], id="cut off"),
        pytest.param(TOKEN + "A", id="longer"),
        pytest.param(TOKEN + "=", id="padded"),
        pytest.param(TOKEN + "==", id="padded twice"),
        pytest.param(TOKEN + "\n", id="with a line's end"),
        pytest.param(" " + TOKEN, id="with a blank"),
        pytest.param(TOKEN.replace(TOKEN[-1], "é"), id="not ASCII"),
        pytest.param("A" * (MAX_LENGTH + 1), id="too long"),
        pytest.param(CLAIM.sign([FOREIGN]), id="signed by somebody else"),
        pytest.param(base64.urlsafe_b64encode(b"a.b.c." + bytes(32)).decode().rstrip("="), id="no MAC at all"),
        pytest.param(base64.urlsafe_b64encode(b"....").decode().rstrip("="), id="only dots"),
        pytest.param(CLAIM.sign_form(KEYS, NOW), id="the token of a form"),
    ],
)
def test_a_wrong_link_is_not_read(token: str) -> None:
    assert read_link(token, KEYS) is None


def test_no_letter_of_a_link_can_be_changed() -> None:
    """Nor the last one, of which base64 ignores two bits."""
    for position, letter in enumerate(TOKEN):
        for other in (
            "AQgw-_.0" if position < len(TOKEN) - 1 else "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
        ):
            if other != letter:
                assert read_link(TOKEN[:position] + other + TOKEN[position + 1 :], KEYS) is None


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert read_link(text, KEYS) is None


def test_every_comparison_takes_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first key that fits doesn't end the comparison, and neither does the first one that doesn't."""
    compared: list[tuple[bytes, bytes]] = []

    def note(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return left == right

    monkeypatch.setattr(hmac, "compare_digest", note)
    assert read_link(TOKEN, KEYS) == CLAIM
    assert read_link(CLAIM.sign([FOREIGN]), KEYS) is None
    assert len(compared) == 2 * len(KEYS)


def accepted(ago: timedelta) -> Membership:
    """Alice, who accepted a while ago."""
    return membership("alice", role="Viewer", status={"invitation": {"acceptedAt": format_time(NOW - ago)}})


@pytest.mark.parametrize(
    ("held", "standing"),
    [
        pytest.param(ALICE, Standing.OPEN, id="as it was signed"),
        pytest.param(
            membership("alice", role="Viewer", status={"invitation": {"delivery": "Sent"}}),
            Standing.OPEN,
            id="a letter was sent",
        ),
        pytest.param(None, Standing.DEAD, id="of another cluster, or removed"),
        pytest.param(membership("alice", role="Viewer", uid="another"), Standing.DEAD, id="deleted and created again"),
        pytest.param(membership("alice", role="Owner", generation=2), Standing.DEAD, id="the role changed"),
        pytest.param(membership("alice", role="Viewer", generation=3), Standing.DEAD, id="changed and changed back"),
        pytest.param(membership("alice", role="Viewer", deleting=True), Standing.DEAD, id="being deleted"),
        pytest.param(membership("alice", role="Viewer", kind="ServiceAccount"), Standing.DEAD, id="not a person"),
        pytest.param(accepted(REPEATED_WITHIN), Standing.JUST_ACCEPTED, id="accepted a moment ago"),
        pytest.param(accepted(REPEATED_WITHIN + SECOND), Standing.DEAD, id="accepted"),
    ],
)
def test_a_link_dies_with_what_it_names(held: Membership | None, standing: Standing) -> None:
    assert judge(CLAIM, held, NOW) is standing


@pytest.mark.parametrize(
    ("after", "standing"), [(-SECOND, Standing.OPEN), (0 * SECOND, Standing.DEAD), (SECOND, Standing.DEAD)]
)
def test_a_link_expires(after: timedelta, standing: Standing) -> None:
    assert judge(CLAIM, ALICE, CLAIM.expires_at + after) is standing


@pytest.mark.parametrize(
    ("after", "good"),
    [(timedelta(), True), (FORM_LIFE, True), (FORM_LIFE + SECOND, False)],
)
def test_a_form_is_good_for_an_hour(after: timedelta, *, good: bool) -> None:
    assert CLAIM.is_form(CLAIM.sign_form(KEYS, NOW), KEYS, NOW + after) is good


def test_a_form_belongs_to_its_link() -> None:
    form = CLAIM.sign_form(KEYS, NOW)
    others: list[Any] = [
        Claim.of(membership("bob"), CLAIM.expires_at),
        Claim(CLAIM.uid, 2, CLAIM.expires_at),
        Claim(CLAIM.uid, 1, NOW),
    ]
    assert not any(other.is_form(form, KEYS, NOW) for other in others)
    assert CLAIM.is_form(form, [OLD, NEW], NOW)
    assert not CLAIM.is_form(form, [OLD], NOW)


@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_form(text: str) -> None:
    assert not CLAIM.is_form(text, KEYS, NOW)
    made = CLAIM.sign_form(KEYS, NOW).partition(".")[0]
    assert not CLAIM.is_form(f"{made}.{text}", KEYS, NOW)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (b"", "0 bytes"),
        (bytes(range(31)), "31 bytes"),
        (bytes(32), "aren't random"),
        (b"0123456789abcde" * 3, "random"),
    ],
)
def test_a_weak_key_is_refused(secret: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SigningKey(secret)


def test_a_key_is_never_shown() -> None:
    assert f"{OLD} {OLD!r} {[OLD]}" == "SigningKey(••••••) SigningKey(••••••) [SigningKey(••••••)]"
