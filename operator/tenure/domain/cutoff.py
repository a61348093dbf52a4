"""Decides which keys were issued before a given moment, and for which keys that is unclear."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import format_time
from tenure.domain.views import token_views

CLOCKS_DIFFER = timedelta(minutes=1)
"""Maximum difference between the clocks of the API servers: a time of issue may be this far ahead and still be true."""

_SECOND = timedelta(seconds=1)


class Age(StrEnum):
    """Whether a key has a token that was issued before the moment."""

    BEFORE = "Before"
    """The token was issued before the moment, and no record says that it was revoked."""
    NONE = "None"
    """There is no such token: it was revoked, was never issued, or was issued at the moment or later."""
    UNCLEAR = "Unclear"
    """The ApiKey doesn't tell. `Cutoff.judge` returns the reason."""


_SEVERITY = (Age.NONE, Age.UNCLEAR, Age.BEFORE)


@dataclass(frozen=True)
class Cutoff:
    """The moment before which keys were issued, by the API server's clock.

    It is in whole seconds, because times of issue are.
    """

    moment: datetime
    now: datetime
    everything: bool = False
    """Whether to select every existing token, no matter which API server's clock its stamp is from."""

    @classmethod
    def of(cls, given: datetime | timedelta, now: datetime) -> "Cutoff":
        """Build the cutoff from an instant, or from how long ago it was.

        `now` is the API server's clock, which tells whole seconds. The moment is rounded up to the next whole second,
        so that every older key is found. A key that was issued later in that second may be selected too. A duration of
        zero selects every token, because the API server that was asked may be behind those that stamped the keys.

        Raises:
            ValueError: the moment is in the future.
        """
        end = _end_of_second(now)
        moment = end - given if isinstance(given, timedelta) else _rounded_up(given)
        if moment > end:
            raise ValueError(f"{format_time(moment)} is in the future (the API server's clock says {format_time(now)})")
        return cls(moment, now, everything=given == timedelta())

    def judge(self, api_key: ApiKey) -> tuple[Age, str]:
        """Return a key's age, and the reason if it is unclear. The oldest of its tokens counts.

        If the status of a reconciled key names no Secret, the key has no token that works or can work again. A token
        is never older than its ApiKey.
        """
        status, stamp = api_key.status, api_key.status.issued
        if api_key.metadata.deleting or self._is_since(api_key.metadata.creation_timestamp):
            return Age.NONE, ""
        if status.secret_uid is None:
            if status.observed_generation == api_key.metadata.generation:
                return Age.NONE, ""
            return Age.UNCLEAR, "Tenure hasn't reconciled its latest change yet, and may have issued a token for it"
        if stamp is None:
            return Age.UNCLEAR, "its status names a Secret but has no time of issue"
        judged = (self._judge_issue(at) for at in _issue_times(api_key))
        return max(judged, key=lambda one: _SEVERITY.index(one[0]))

    def _judge_issue(self, at: datetime) -> tuple[Age, str]:
        if at > self.now + CLOCKS_DIFFER:
            return Age.UNCLEAR, f"its time of issue, {format_time(at)}, is in the future"
        if self.everything or at < self.moment:
            return Age.BEFORE, ""
        if self._is_since(at):
            return Age.NONE, ""
        clock = format_time(self.now)
        return Age.UNCLEAR, f"its time of issue, {format_time(at)}, is later than the API server's clock, {clock}"

    def has_other_token(self, found: ApiKey, meant: ApiKey) -> bool:
        """Return whether the key got a new token after it was read as `meant`, so that nothing is left to revoke."""
        hashes = {view.status.hash for view in token_views(found)}
        others = not hashes.intersection(view.status.hash for view in token_views(meant))
        return others and bool(hashes) and all(at >= self.moment for at in _issue_times(found))

    def _is_since(self, at: datetime) -> bool:
        """Return whether a time is certainly not before the moment.

        A time in the future is from a clock that is ahead.
        """
        if self.everything:
            return False
        return at >= self.moment if at <= _end_of_second(self.now) else at - CLOCKS_DIFFER >= self.moment


def _issue_times(api_key: ApiKey) -> Iterator[datetime]:
    """Yield when each token of a key was issued: the present, the former and the announced one."""
    stamps = (view.status.issued for view in token_views(api_key))
    return (stamp.at for stamp in stamps if stamp is not None)


def _end_of_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + _SECOND


def _rounded_up(moment: datetime) -> datetime:
    return moment if moment.microsecond == 0 else _end_of_second(moment)
