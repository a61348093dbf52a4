"""Which key a request's headers present: in one place, in one of three ways, or none."""

import base64

import pytest

from tenure.verifier.http.credentials import bearer_of, key_of
from tenure.verifier.http.errors import BadRequestError


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


PRESENTED: dict[str, tuple[list[str], list[str], str | None]] = {
    "nothing": ([], [], None),
    "X-Api-Key": (["tnr_1"], [], "tnr_1"),
    "Bearer": ([], ["Bearer tnr_1"], "tnr_1"),
    "bearer in lower case": ([], ["bearer tnr_1"], "tnr_1"),
    "password of Basic": ([], [basic("anybody:tnr_1")], "tnr_1"),
    "password of Basic without a user": ([], [basic(":tnr_1")], "tnr_1"),
    "password with a colon": ([], [basic("x:tnr_1:2")], "tnr_1:2"),
    "password with blanks, which are part of it": ([], [basic("x: tnr_1 ")], " tnr_1 "),
    "blanks around X-Api-Key": ([" \ttnr_1\t "], [], "tnr_1"),
    "blanks around Bearer": ([], ["  Bearer   tnr_1\t "], "tnr_1"),
    "blanks around Basic": ([], ["\tBASIC   " + basic("x:tnr_1").removeprefix("Basic ") + " "], "tnr_1"),
    "a blank that HTTP doesn't know": (["\u00a0tnr_1"], [], "\u00a0tnr_1"),
    "a blank inside": (["tnr_1 tnr_2"], [], "tnr_1 tnr_2"),
    "Basic beside X-Api-Key": (["tnr_1"], [basic("jane:secret")], "tnr_1"),
    "Basic with another key beside X-Api-Key": (["tnr_1"], [basic("jane:tnr_2")], "tnr_1"),
    "Negotiate beside X-Api-Key": (["tnr_1"], ["Negotiate YII"], "tnr_1"),
    "no scheme beside X-Api-Key": (["tnr_1"], ["tnr_2"], "tnr_1"),
    "Bearer without a token beside X-Api-Key": (["tnr_1"], ["Bearer "], "tnr_1"),
    "an empty X-Api-Key beside Bearer": (["", " "], ["Bearer tnr_1"], "tnr_1"),
    "an empty X-Api-Key": ([" "], [], None),
    "Basic without a password": ([], [basic("tnr_1:")], None),
    "Basic with a user alone": ([], [basic("tnr_1")], None),
    "Basic that is no base64": ([], ["Basic tnr_1"], None),
    "Basic with letters beyond ASCII": ([], ["Basic \u00e9"], None),
    "Basic with padding that lacks": ([], ["Basic eDp0bnJfMQ"], None),
    "Basic with bytes that are no UTF-8": ([], ["Basic " + base64.b64encode(b"x:\xff").decode()], "\u00ff"),
    "Basic without credentials": ([], ["Basic"], None),
    "Basic and Bearer in one header": ([], [basic("x:tnr_1") + ", Bearer tnr_2"], None),
    "two Authorization headers": ([], ["Bearer tnr_1", "Bearer tnr_1"], None),
    "Basic and Bearer in two headers": ([], [basic("x:tnr_1"), "Bearer tnr_2"], None),
}


@pytest.mark.parametrize(("keys", "authorization", "expected"), PRESENTED.values(), ids=PRESENTED)
def test_a_key_is_found_where_it_may_be(keys: list[str], authorization: list[str], expected: str | None) -> None:
    assert key_of(keys, authorization) == expected


TWO: dict[str, tuple[list[str], list[str]]] = {
    "X-Api-Key twice": (["tnr_1", "tnr_1"], []),
    "X-Api-Key and Bearer": (["tnr_1"], ["Bearer tnr_1"]),
    "X-Api-Key and Bearer with blanks": (["tnr_1"], ["\tBearer   x"]),
    "X-Api-Key, and Bearer behind Basic": (["tnr_1"], [basic("a:b"), "Bearer tnr_1"]),
}


@pytest.mark.parametrize(("keys", "authorization"), TWO.values(), ids=TWO)
def test_two_keys_are_refused(keys: list[str], authorization: list[str]) -> None:
    with pytest.raises(BadRequestError, match="Send one token"):
        key_of(keys, authorization)


def test_a_caller_of_verify_is_known_by_bearer_alone() -> None:
    assert bearer_of([basic("x:tnr_1")]) is None
    assert bearer_of(["Bearer  eyJ "]) == "eyJ"
