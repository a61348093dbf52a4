"""An organization changes hands from Git: in two commits by every tool, in one by some."""

import pytest

from support.cluster.world import World
from support.objects.repository import KEYS, Repository
from support.programs.sync import TOOLS

ACKNOWLEDGE = "tenure.dev/acknowledge-key-deletion"
LAST_OWNER = "olga is the only Owner of Organization acme"
TRIES = 4


def promote(repository: Repository) -> None:
    anna = repository.member("anna")
    anna["spec"]["role"] = "Owner"
    anna["metadata"]["annotations"] = {ACKNOWLEDGE: "Owner: cost-report"}


def demote(repository: Repository) -> None:
    olga = repository.member("olga")
    olga["spec"]["role"] = "Member"
    olga["metadata"]["annotations"] = {ACKNOWLEDGE: "Member: olga-admin"}


def remove(repository: Repository) -> None:
    repository.remove(("Membership", "olga"), ("ApiKey", "olga-admin"))


DEPARTURES = {"demoted": demote, "removed": remove}
NEVER = {("Argo CD server side", "removed"), ("Flux", "demoted")}
"""Argo CD prunes before it applies, Flux asks whether everything passes before it applies anything."""


@pytest.mark.parametrize("departure", DEPARTURES)
@pytest.mark.parametrize("tool", TOOLS)
def test_two_commits_hand_over(repository: Repository, world: World, tool: str, departure: str) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    world.issue(*KEYS, within=30)
    promote(repository)
    assert sync.settle() == 1
    DEPARTURES[departure](repository)
    assert sync.settle() == 1
    assert owners(repository) == ["anna"]


@pytest.mark.parametrize("departure", DEPARTURES)
@pytest.mark.parametrize("tool", TOOLS)
def test_one_commit_hands_over_or_is_refused_for_good(
    repository: Repository, world: World, tool: str, departure: str
) -> None:
    sync = TOOLS[tool](repository)
    sync.settle()
    world.issue(*KEYS, within=30)
    promote(repository)
    DEPARTURES[departure](repository)
    if (tool, departure) not in NEVER:
        assert sync.settle() <= 2
        assert owners(repository) == ["anna"]
        return
    assert [LAST_OWNER in "".join(sync.sync()) for _ in range(TRIES)] == [True] * TRIES
    assert owners(repository) == ["olga"]


def owners(repository: Repository) -> list[str]:
    found = [body for (kind, _), body in repository.live().items() if kind == "Membership"]
    return [body["metadata"]["name"] for body in found if body["spec"]["role"] == "Owner"]
