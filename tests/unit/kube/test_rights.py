"""The table of rights: what no program may ever be given, and that people can read what each right is for."""

from collections.abc import Callable

import pytest

from tenure.domain.resources.base import GROUP
from tenure.kube.console_rights import AS_OTHERS
from tenure.kube.right import Right
from tenure.kube.rights import GROUPS, groups_of
from tenure.observability.metrics import Component

READS = {"get", "list", "watch"}


def rows(where: Callable[[Right], bool]) -> list[object]:
    """Return each program with each of its rights that is meant."""
    return [
        pytest.param(group.program, right, id=f"{group.program} {right.label} {right.name} {','.join(right.verbs)}")
        for group in GROUPS
        for right in group.rights
        if where(right)
    ]


@pytest.mark.parametrize(("program", "right"), rows(lambda _: True))
def test_a_right_says_what_it_is_for_and_has_no_wildcard(program: Component, right: Right) -> None:
    assert right.why.endswith("."), f"{program}: a sentence for docs/reference/rights.md"
    assert "*" not in (right.group, right.resource, right.subresource, *right.verbs)


@pytest.mark.parametrize(("program", "right"), rows(lambda right: right.resource == "secrets"))
def test_secrets_are_read_one_by_one_and_never_by_those_who_serve_people(program: Component, right: Right) -> None:
    """Whoever can list them holds a master key."""
    assert program not in {Component.VERIFIER, Component.MAIL, Component.CONSOLE}
    assert {*right.verbs} <= {"get", "create", "update", "patch", "delete"}


@pytest.mark.parametrize(("program", "right"), rows(lambda right: right.group == GROUP))
def test_nothing_that_people_wrote_is_changed(program: Component, right: Right) -> None:
    """Only the controller and mail write our kinds: their status. And the controller deletes ApiKeys."""
    if program is Component.CONSOLE:
        assert all(verb.startswith(AS_OTHERS) for verb in right.verbs), "only as somebody who may do it"
        return
    writes = frozenset(right.verbs) - READS
    if program is Component.MAIL:
        assert writes == ({"patch"} if right.label == "memberships/status" else set())
    elif program is not Component.CONTROLLER:
        assert writes == set()
    elif right.subresource:
        assert (right.subresource, writes) in {("status", frozenset({"patch"})), ("usage", frozenset())}
    else:
        assert writes == ({"delete", "revoke"} if right.resource == "apikeys" else set())


@pytest.mark.parametrize("program", Component)
def test_each_right_is_written_once(program: Component) -> None:
    written = [
        (group.place, right.group, right.label, right.name, verb)
        for group in groups_of(program)
        for right in group.rights
        for verb in right.verbs
    ]
    assert len(written) == len({*written})
