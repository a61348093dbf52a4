"""A proof is as old as the question: what was stored before a list is known once the watch has come as far."""

from tenure.verifier.freshness import Freshness

A, B = "apikeys", "memberships"


def fresh() -> Freshness:
    freshness = Freshness([A, B])
    freshness.begin(A, 100, at=10.0)
    freshness.begin(B, 100, at=11.0)
    return freshness


def test_nothing_is_proved_before_every_feed_has_told_all() -> None:
    freshness = Freshness([A, B])
    freshness.begin(A, 100, at=10.0)
    assert freshness.age([A, B], 12.0) == float("inf")


def test_the_oldest_proof_counts() -> None:
    assert fresh().age([A, B], 15.0) == 5.0


def test_a_question_is_a_proof_once_the_feed_has_come_as_far() -> None:
    freshness = fresh()
    for feed in (A, B):
        assert freshness.ask(feed, 120, 20.0, reached=freshness.reached(feed))
    assert freshness.age([A, B], 21.0) == 11.0
    freshness.reach(A, 119)
    freshness.reach(B, 120)
    assert freshness.age([A, B], 21.0) == 11.0
    freshness.reach(A, 125)
    assert freshness.age([A, B], 21.0) == 1.0


def test_a_store_that_went_back_is_noticed_and_a_feed_that_is_ahead_is_not() -> None:
    freshness = fresh()
    reached = freshness.reached(A)
    freshness.reach(A, 130)
    assert freshness.ask(A, 120, 20.0, reached=reached)
    assert not freshness.ask(A, 90, 30.0, reached=freshness.reached(A))


def test_what_was_forgotten_has_to_be_told_anew() -> None:
    freshness = fresh()
    freshness.forget(A)
    assert freshness.age([A, B], 12.0) == float("inf")
    freshness.begin(A, 5, at=12.0)
    assert freshness.age([A, B], 12.0) == 1.0
