"""Whose turn the owners' Lease is: nobody prolongs it while others wait, and everybody gets a turn."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from support.objects.builders import NOW
from tenure.domain.admission.owners_turn import arriving, may_take, taken, with_waiting
from tenure.domain.lease import Lease

TURN = 70
VERSIONS = {"olga": "1", "omar": "1", "otto": "1"}


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def lease(holder: str = "omar", *waiting: str, renewed: float | None = None, version: str = "1") -> Lease:
    """The Lease, taken now."""
    again = None if renewed is None else at(renewed)
    return Lease(
        "tenure-system", "owners", holder, version, NOW, TURN, renewed=again, waiting=waiting, resource_version="4"
    )


FIRST = lease(arriving("alice"), version="")
ROWS = {
    "the first Owner hasn't come yet, and there is one now": (FIRST, "olga", 1, True),
    "there is none": (None, "olga", 0, True),
    "another holds it": (lease(), "olga", 69, False),
    "it is over": (lease(), "olga", 70, True),
    "it was renewed": (lease(renewed=60), "olga", 129, False),
    "it was renewed, and is over": (lease(renewed=60), "olga", 130, True),
    "the holder has changed": (lease(version="0"), "olga", 1, True),
    "the holder has changed while others wait": (lease("omar", "otto", version="0"), "olga", 1, True),
    "the holder is gone": (lease("gone"), "olga", 1, True),
    "it is one's own": (lease(renewed=690), "omar", 700, True),
    "it is one's own, while another waits": (lease("omar", "olga"), "omar", 69, True),
    "one has prolonged it, while another waits": (lease("omar", "olga", renewed=69), "omar", 70, False),
    "who waits is gone": (lease("omar", "gone", renewed=69), "omar", 70, True),
    "the first who waits": (lease("omar", "olga", "otto"), "olga", 70, True),
    "the first who waits, too early": (lease("omar", "olga", "otto"), "olga", 69, False),
    "the second who waits": (lease("omar", "olga", "otto"), "otto", 139, False),
    "the second, where the first doesn't come": (lease("omar", "olga", "otto"), "otto", 140, True),
    "the holder again, before who waits": (lease("omar", "olga"), "omar", 139, False),
    "the holder again, where who waits doesn't come": (lease("omar", "olga"), "omar", 140, True),
}


@pytest.mark.parametrize(("held", "uid", "seconds", "may"), ROWS.values(), ids=ROWS)
def test_whose_turn_it_is(held: Lease | None, uid: str, seconds: float, may: bool) -> None:  # noqa: FBT001
    assert may_take(held, uid, VERSIONS, at(seconds)) is may


def test_whoever_takes_it_leaves_the_line_with_those_before() -> None:
    def claim(holder: str, seconds: float) -> Lease:
        return replace(lease(holder), acquired=at(seconds), resource_version="")

    held = lease("omar", "olga", "otto")
    assert taken(None, claim("olga", 0)) == claim("olga", 0)
    assert taken(held, claim("olga", 70)).waiting == ("otto",)
    assert taken(held, claim("otto", 140)).waiting == ()
    assert taken(held, claim("omar", 210)).waiting == ()
    assert taken(lease("omar", "olga", version="0"), claim("otto", 5)).waiting == ("olga",)
    again = taken(held, claim("omar", 30))
    assert (again.acquired, again.renewed, again.expiry, again.waiting) == (NOW, at(30), at(100), ("olga", "otto"))
    assert taken(held, claim("olga", 70)).resource_version == "4"


def test_the_line_is_entered_once_and_by_owners_only() -> None:
    held = lease("omar", "gone", "otto")
    line = with_waiting(held, "olga", VERSIONS)
    assert line is not None
    assert line.waiting == ("otto", "olga")
    assert Lease.from_body({**line.to_body(), "metadata": {**line.to_body()["metadata"]}}) == line
    assert [with_waiting(held, uid, VERSIONS) for uid in ("otto", "omar", "stranger")] == [None] * 3


@pytest.mark.parametrize("forged", [("omar",), ("omar", "otto"), ("omar", "olga", "otto")], ids=" ".join)
def test_whoever_forges_reviews_all_the_time_keeps_nobody_from_their_turn(forged: tuple[str, ...]) -> None:
    """Forged reviews come first at every moment. Olga tries every ten seconds, and nothing that is forged is stored."""
    held: Lease | None = None
    for seconds in range(0, 3600, 10):
        for uid in (*forged, "olga"):
            if may_take(held, uid, VERSIONS, at(seconds)):
                if uid == "olga" and seconds > 200:
                    return
                held = taken(held, replace(lease(uid), acquired=at(seconds), resource_version=""))
            elif held is not None:
                held = with_waiting(held, uid, VERSIONS) or held
            if uid == "olga" and "olga" not in forged and held is not None and held.holder == "olga":
                return
    pytest.fail("olga never gets a turn")


@pytest.mark.parametrize(
    ("held", "name", "after", "takes"),
    [
        pytest.param(None, "alice", 0, True, id="there is no lease"),
        pytest.param(FIRST, "alice", 69, True, id="the same one again"),
        pytest.param(replace(FIRST, renewed=at(69)), "alice", 69.5, True, id="the same one once more within its turn"),
        pytest.param(replace(FIRST, renewed=at(69)), "alice", 70, False, id="the same one again and again"),
        pytest.param(replace(FIRST, renewed=at(69)), "bob", 139, True, id="another one after that"),
        pytest.param(FIRST, "bob", 69, False, id="another one"),
        pytest.param(FIRST, "bob", 70, True, id="another one once it is over"),
        pytest.param(lease(), "bob", 1, True, id="an Owner who left holds it"),
    ],
)
def test_one_first_owner_comes_at_a_time(held: Lease | None, name: str, after: float, *, takes: bool) -> None:
    assert may_take(held, arriving(name), {}, at(after)) is takes
