"""Tokens: their shape, the checksum, and that only `reveal` gives them away."""

import copy
import hashlib
import io
import json
import logging
import math
import pickle
import re
import secrets
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.domain.tokens import ENTROPY_BYTES, KEY_ID_LENGTH, SECRET_LENGTH, Token, is_narrowed
from tenure.errors import MalformedTokenError, TenureError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHAPE = re.compile(r"tnr_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}[0-9A-Za-z]{6}")
TOKEN = Token.mint(bytes(range(ENTROPY_BYTES)))
TEXT = TOKEN.reveal()
SECRET = TEXT[17:]

entropies = st.binary(min_size=ENTROPY_BYTES, max_size=ENTROPY_BYTES)


def test_a_token_never_changes_its_text() -> None:
    assert TEXT == "tnr_xkEgOGusQGwp_7u7ED6UzpF5eHPrBI5AHumY7UBpOQIJz18g9St"


@given(entropies)
def test_what_is_minted_has_the_shape_and_reads_back(entropy: bytes) -> None:
    token = Token.mint(entropy)
    assert SHAPE.fullmatch(token.reveal())
    assert token.reveal()[4:16] == token.key_id
    assert Token(token.reveal()) == token
    assert Token(token.reveal()).key_id == token.key_id


def test_a_secret_has_190_bits() -> None:
    assert SECRET_LENGTH * math.log2(len(ALPHABET)) > 190
    assert KEY_ID_LENGTH == 12
    assert (ENTROPY_BYTES - 16) * 8 - SECRET_LENGTH * math.log2(len(ALPHABET)) > 57, "the remainder's bias is small"


@pytest.mark.parametrize("position", range(ENTROPY_BYTES))
def test_every_random_byte_counts(position: int) -> None:
    entropy = bytearray(range(ENTROPY_BYTES))
    entropy[position] ^= 0xFF
    changed = Token.mint(bytes(entropy))
    assert (changed.key_id == TOKEN.key_id) == (position >= 16), "the first 16 make the key id, the rest the secret"
    assert (changed.reveal()[17:49] == TEXT[17:49]) == (position < 16)


@pytest.mark.parametrize("length", [0, ENTROPY_BYTES - 1, ENTROPY_BYTES + 1])
def test_minting_takes_exactly_the_random_bytes_it_needs(length: int) -> None:
    with pytest.raises(ValueError, match=f"{ENTROPY_BYTES} random bytes, not {length}"):
        Token.mint(bytes(length))


def test_twenty_thousand_tokens_differ() -> None:
    minted = [Token.mint(secrets.token_bytes(ENTROPY_BYTES)) for _ in range(20_000)]
    assert len({token.key_id for token in minted}) == len(minted)
    assert len({token.reveal()[17:49] for token in minted}) == len(minted)
    assert len(set(minted)) == len(minted)


def test_every_digit_comes_up_at_every_place() -> None:
    minted = [Token.mint(secrets.token_bytes(ENTROPY_BYTES)).reveal() for _ in range(5_000)]
    for place in [*range(4, 16), *range(17, 49)]:
        assert {text[place] for text in minted} == set(ALPHABET), place


def test_every_typo_of_one_character_is_rejected() -> None:
    for place, right in enumerate(TEXT):
        for wrong in set(ALPHABET + "_-. é٣") - {right}:
            with pytest.raises(MalformedTokenError):
                Token(TEXT[:place] + wrong + TEXT[place + 1 :])


@given(entropies, st.integers(0, 54), st.characters())
@settings(max_examples=500)
def test_a_typo_in_any_token_is_rejected(entropy: bytes, place: int, wrong: str) -> None:
    text = Token.mint(entropy).reveal()
    typo = text[:place] + wrong + text[place + 1 :]
    if typo != text:
        with pytest.raises(MalformedTokenError):
            Token(typo)


@given(entropies, st.integers(0, 53))
def test_two_neighbours_in_the_wrong_order_are_rejected(entropy: bytes, place: int) -> None:
    text = Token.mint(entropy).reveal()
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if swapped != text:
        with pytest.raises(MalformedTokenError):
            Token(swapped)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(TEXT[:-1], id="cut"),
        pytest.param(TEXT + "0", id="longer"),
        pytest.param(TEXT + "\n", id="newline"),
        pytest.param(" " + TEXT, id="space"),
        pytest.param(TEXT.upper(), id="upper case"),
        pytest.param(TEXT.replace("_", "-"), id="dashes"),
        pytest.param("Bearer " + TEXT, id="header"),
    ],
)
def test_a_wrong_shape_is_rejected(text: str) -> None:
    with pytest.raises(MalformedTokenError):
        Token(text)


@given(st.text())
def test_no_other_text_is_a_token(text: str) -> None:
    with pytest.raises(MalformedTokenError):
        Token(text)


def test_equality_is_that_of_the_text() -> None:
    other = Token.mint(bytes(ENTROPY_BYTES))
    assert Token(TEXT) == TOKEN
    assert hash(Token(TEXT)) == hash(TOKEN)
    assert other != TOKEN
    assert TOKEN != TEXT
    assert TOKEN.hash != TOKEN


def test_the_hash_is_that_of_the_whole_text() -> None:
    assert TOKEN.hash == "sha256:" + hashlib.sha256(TEXT.encode()).hexdigest()


def test_the_hash_of_a_narrowed_token_has_another_prefix() -> None:
    narrow = Token.mint(bytes(range(ENTROPY_BYTES)), narrowed=True)
    text = narrow.reveal()
    assert text == f"tnr_{TOKEN.key_id}_n_{TEXT[17:49]}{text[-6:]}"
    assert (narrow.key_id, narrow.narrowed, TOKEN.narrowed) == (TOKEN.key_id, True, False)
    assert narrow.hash == "narrowed-sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert Token(text) == narrow != TOKEN
    assert [is_narrowed(form) for form in (narrow.hash, TOKEN.hash, None)] == [True, False, False]


@pytest.mark.parametrize("text", [TEXT[:17] + "n_" + TEXT[17:], TEXT.replace("_", "_n_"), TEXT[:4] + "n_" + TEXT[4:]])
def test_a_token_becomes_no_narrowed_one_and_no_other_form_by_a_change_of_its_text(text: str) -> None:
    with pytest.raises(MalformedTokenError):
        Token(text)


def test_a_narrowed_token_becomes_no_wide_one_by_a_change_of_its_text() -> None:
    text = Token.mint(bytes(range(ENTROPY_BYTES)), narrowed=True).reveal()
    with pytest.raises(MalformedTokenError):
        Token(text.replace("_n_", "_"))


def _logged() -> str:
    stream = io.StringIO()
    logger = logging.Logger("tokens")  # noqa: LOG001 - one of its own, so that no handler is left behind
    logger.addHandler(logging.StreamHandler(stream))
    logger.info("token %s %r", TOKEN, {"token": TOKEN})
    return stream.getvalue()


def _traced(*, capture_locals: bool) -> str:
    def fail(token: Token) -> None:
        raise TenureError(f"cannot use {token}")

    try:
        fail(TOKEN)
    except TenureError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=capture_locals).format())
    return ""


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(repr(TOKEN), id="repr"),
        pytest.param(str(TOKEN), id="str"),
        pytest.param(f"{TOKEN}", id="f-string"),
        pytest.param(f"{TOKEN!r:>80}", id="f-string with width"),
        pytest.param("{}".format(TOKEN), id="format"),  # noqa: UP032 - the old ways are the point
        pytest.param("%s %r" % (TOKEN, TOKEN), id="percent"),  # noqa: UP031
        pytest.param(repr([{"token": TOKEN}]), id="container"),
        pytest.param(json.dumps({"token": TOKEN}, default=str), id="json"),
        pytest.param(_logged(), id="log"),
        pytest.param(_traced(capture_locals=False), id="traceback"),
        pytest.param(_traced(capture_locals=True), id="traceback with locals"),
    ],
)
def test_what_is_shown_names_the_key_and_hides_the_secret(shown: str) -> None:
    assert TOKEN.key_id in shown
    assert all(SECRET[start : start + 6] not in shown for start in range(len(SECRET) - 5))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_token_does_not_travel_in_a_pickle(protocol: int) -> None:
    try:
        pickled = pickle.dumps(TOKEN, protocol)
    except TypeError:
        return
    revealed = SECRET.encode() in pickled
    assert not revealed


def test_a_token_has_no_dictionary_to_dump() -> None:
    with pytest.raises(TypeError):
        vars(TOKEN)
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(TOKEN)


def test_a_copy_hides_the_secret_too() -> None:
    try:
        copied = copy.deepcopy(TOKEN)
    except TypeError:
        return
    assert SECRET not in repr(copied)


def test_the_error_of_a_wrong_token_never_repeats_it() -> None:
    typo = TEXT[:-1] + ("0" if TEXT[-1] != "0" else "1")
    with pytest.raises(MalformedTokenError) as caught:
        Token(typo)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert typo not in shown
    assert SECRET[:10] not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
