"""What is answered: all that is wrong, and as much of it as the API server passes on."""

import pytest

from tenure.domain.admission.verdict import MAX_MESSAGE, MAX_WARNING, Judgement, join_names


def test_what_nobody_objects_to_is_let_in() -> None:
    judgement = Judgement().refuse(None, "").warn(None).note(to="Viewer")
    assert judgement.allowed
    assert judgement.message == ""
    assert judgement.warnings == ()


def test_all_refusals_are_said() -> None:
    judgement = Judgement().refuse("one", None).refuse("two", "three")
    assert not judgement.allowed
    assert judgement.message == "one\ntwo\nthree"


def test_what_is_busy_is_not_let_in_and_a_refusal_says_more() -> None:
    busy = Judgement(busy="try again")
    assert not busy.allowed
    assert busy.message == "try again"
    assert busy.refuse("no").message == "no"


@pytest.mark.parametrize("length", [MAX_MESSAGE, MAX_MESSAGE + 1, 10 * MAX_MESSAGE])
def test_a_long_refusal_is_cut(length: int) -> None:
    message = Judgement().refuse("x" * length).message
    assert len(message) <= MAX_MESSAGE
    assert message.endswith("x" if length == MAX_MESSAGE else " …")


def test_joined_judgements_refuse_what_either_refuses() -> None:
    one = Judgement().refuse("a").warn("b").note(c="d", e="f")
    other = Judgement(busy="g").refuse("h").warn("i").note(e="j")
    both = one.join(other)
    assert both.refusals == ("a", "h")
    assert both.warnings == ("b", "i")
    assert both.audit == {"c": "d", "e": "j"}
    assert both.busy == "g"
    assert Judgement().join(Judgement()).allowed
    assert not Judgement().join(Judgement(busy="g")).allowed


def test_a_warning_is_one_line_of_a_length_that_is_passed_on() -> None:
    (warning,) = Judgement().warn("a\nb\t c\r\n").warnings
    assert warning == "a b c"
    (long,) = Judgement().warn("x " * MAX_WARNING).warnings
    assert len(long) <= MAX_WARNING
    assert long.endswith(" …")


def test_notes_have_bare_names() -> None:
    assert Judgement().note(keys_ended="laptop").audit == {"keys-ended": "laptop"}


def test_names_are_listed_up_to_a_number() -> None:
    names = [f"k{number}" for number in range(10)]
    assert join_names([]) == ""
    assert join_names(names[:8]) == "k0, k1, k2, k3, k4, k5, k6, k7"
    assert join_names(names) == "k0, k1, k2, k3, k4, k5, k6, k7 and 2 more"
    assert join_names(names, 1) == "k0 and 9 more"
