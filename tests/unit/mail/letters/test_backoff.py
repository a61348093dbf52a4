"""Pauses after failures: of a letter for a day, of the mail server for five minutes at most."""

from datetime import timedelta

from support.objects.builders import NOW
from tenure.mail.letters.backoff import Backoff

SECOND = timedelta(seconds=1)


def test_the_pauses_of_a_letter_double_up_to_half_an_hour_and_others_are_not_held() -> None:
    backoff, now, pauses = Backoff(), NOW, []
    for _ in range(8):
        backoff.fail("a", now)
        later = next(minutes for minutes in range(1, 99) if backoff.may_try("a", now + minutes * 60 * SECOND))
        pauses.append(later)
        assert backoff.may_try("b", now)
        now += timedelta(minutes=later)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    backoff.keep({"b"})
    assert backoff.may_try("a", now)


def test_a_server_that_fails_is_tried_every_five_minutes_and_at_once_after_it_worked() -> None:
    backoff, now, pauses = Backoff(), NOW, []
    for _ in range(9):
        backoff.server_fails("refused", now)
        later = next(seconds for seconds in range(1, 999) if backoff.server_may_try(now + seconds * SECOND))
        pauses.append(later)
        now += later * SECOND
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert (backoff.trouble, backoff.trouble_since) == ("refused", NOW)
    backoff.server_works()
    assert backoff.server_may_try(now)
    assert backoff.trouble_since is None
