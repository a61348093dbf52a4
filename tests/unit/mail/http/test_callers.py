"""Limits for callers of the API: a stranger's refused requests don't block the others behind the same ingress."""

import base64
import json

import pytest

from tenure.mail.http.callers import REFUSED_PER_MINUTE, UNKNOWN_PER_MINUTE, Callers, named_in

INGRESS = "10.0.0.7"
OLGA, MALLORY = "https://k8s system:serviceaccount:acme:olga", "https://k8s system:serviceaccount:evil:mallory"


def jwt(payload: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b'=').decode()}.c2ln"


@pytest.mark.parametrize(
    ("token", "name"),
    [
        (jwt({"iss": "https://k8s", "sub": "system:serviceaccount:acme:olga", "aud": ["tenure-mail"]}), OLGA),
        (jwt({"iss": "https://k8s", "sub": "system:serviceaccount:acme:olga", "aud": "tenure-mail"}), OLGA),
        (jwt({"sub": "olga", "aud": ["https://k8s"]}), None),
        (jwt({"sub": "olga"}), None),
        (jwt(["tenure-mail"]), ""),
        ("opaque", ""),
        ("a.b.c", ""),
        ("a.é.c", ""),
        ("..", ""),
    ],
)
def test_a_token_is_read_to_count(token: str, name: str | None) -> None:
    assert named_in(token, "tenure-mail") == name


async def refuse(callers: Callers, name: str, times: int) -> None:
    for _ in range(times):
        await callers.refused(name, INGRESS)


async def test_a_caller_who_was_refused_often_waits_and_no_other_one() -> None:
    callers = Callers()
    await refuse(callers, MALLORY, REFUSED_PER_MINUTE)
    assert not await callers.may_ask(MALLORY, INGRESS)
    assert await callers.may_ask(OLGA, INGRESS)
    assert await callers.may_ask(MALLORY, "10.0.0.8"), "somebody elsewhere may have written that name"


async def test_made_up_names_can_not_ask_without_end_and_known_callers_go_on() -> None:
    callers = Callers()
    callers.confirmed(OLGA)
    for number in range(UNKNOWN_PER_MINUTE):
        assert await callers.may_ask(f"made up {number}", INGRESS)
        await callers.refused(f"made up {number}", INGRESS)
    assert not await callers.may_ask("one more", INGRESS)
    assert await callers.may_ask(OLGA, INGRESS)


async def test_a_known_caller_has_a_limit_too_and_known_ones_are_forgotten_in_the_end() -> None:
    callers = Callers()
    callers.confirmed(OLGA)
    await refuse(callers, OLGA, REFUSED_PER_MINUTE)
    assert not await callers.may_ask(OLGA, INGRESS)
    for number in range(2_000):
        callers.confirmed(str(number))
    assert len(callers._known) == 1_000  # noqa: SLF001 - its size is the point
