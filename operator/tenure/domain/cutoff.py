"""Which keys were issued before a moment, and of which nobody can tell."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import format_time

CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of several API servers may lie apart: a time of issue may be so far ahead and still be true."""

_SECOND = timedelta(seconds=1)


class Age(StrEnum):
    """A key's token beside the moment."""

    BEFORE = "Before"
    """It was issued before, and no record says that it ended."""
    NONE = "None"
    """There is no such token: it ended, or was never issued, or was issued since."""
    UNCLEAR = "Unclear"
    """Nobody can tell."""


@dataclass(frozen=True)
class Cutoff:
    """The moment before which keys were issued, by the API server's clock, in whole seconds as times of issue are."""

    moment: datetime
    now: datetime
    everything: bool = False
    """Whether every token is meant that there is, by whichever API server's clock it was stamped."""

    @classmethod
    def of(cls, given: datetime | timedelta, now: datetime) -> "Cutoff":
        """The cutoff at an instant, or so long ago; `now` is the API server's clock, which tells whole seconds.

        No time ago means everything, since the API server that was asked may be behind those that stamped the keys.
        Rounded up to the next whole second: a key issued in that second may be ended although it is younger, and none
        goes on that is older.

        Raises:
            ValueError: the moment is still to come.
        """
        end = _end_of_second(now)
        moment = end - given if isinstance(given, timedelta) else _rounded_up(given)
        if moment > end:
            raise ValueError(f"{format_time(moment)} is in the future (the API server's clock says {format_time(now)})")
        return cls(moment, now, everything=given == timedelta())

    def judge(self, api_key: ApiKey) -> tuple[Age, str]:
        """A key's age, and where it is unclear the reason, which continues "it is unclear whether".

        What has no Secret by its status has no token that works, ever again. A token is never older than its ApiKey.
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
        return self._judge_issue(stamp.at)

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
        """Whether a key has had a new token since it was looked at as `meant`, so that nothing is left to be ended."""
        stamp = found.status.issued
        return found.status.secret_uid != meant.status.secret_uid and stamp is not None and stamp.at >= self.moment

    def _is_since(self, at: datetime) -> bool:
        """Whether a time is that of the moment or later, for sure: one that is still to come is by a clock ahead."""
        if self.everything:
            return False
        return at >= self.moment if at <= _end_of_second(self.now) else at - CLOCKS_DIFFER >= self.moment


def _end_of_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + _SECOND


def _rounded_up(moment: datetime) -> datetime:
    return moment if moment.microsecond == 0 else _end_of_second(moment)
