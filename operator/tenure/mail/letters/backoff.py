"""When to try again: a letter that the mail server didn't take, and a mail server that can't be used."""

from datetime import datetime, timedelta

_FIRST, _LONGEST = timedelta(minutes=1), timedelta(minutes=30)
_FIRST_OF_SERVER, _LONGEST_OF_SERVER = timedelta(seconds=5), timedelta(minutes=5)


class Backoff:
    """The pauses after failures. They are forgotten with the process, which then tries everything once."""

    def __init__(self) -> None:
        self._letters: dict[str, tuple[int, datetime]] = {}
        self._server_failures = 0
        self._server_at: datetime | None = None
        self.trouble = ""
        """Why the mail server can't be used, for people. Empty if it can."""

        self.trouble_since: datetime | None = None

    def may_try(self, letter_id: str, now: datetime) -> bool:
        """Return whether the pause after a letter's latest failure is over."""
        return now >= self._letters.get(letter_id, (0, now))[1]

    def fail(self, letter_id: str, now: datetime) -> None:
        """Record that the mail server didn't take a letter."""
        failures = self._letters.get(letter_id, (0, now))[0] + 1
        self._letters[letter_id] = failures, now + _pause(_FIRST, failures, _LONGEST)

    def keep(self, letter_ids: set[str]) -> None:
        """Forget all other letters."""
        self._letters = {name: value for name, value in self._letters.items() if name in letter_ids}

    def server_may_try(self, now: datetime) -> bool:
        """Return whether the pause after the mail server's latest failure is over."""
        return self._server_at is None or now >= self._server_at

    def server_fails(self, why: str, now: datetime) -> None:
        """Record that the mail server can't be used."""
        self._server_failures += 1
        self._server_at = now + _pause(_FIRST_OF_SERVER, self._server_failures, _LONGEST_OF_SERVER)
        self.trouble, self.trouble_since = why, self.trouble_since or now

    def server_works(self) -> None:
        """Record that the mail server can be used."""
        self._server_failures, self._server_at, self.trouble, self.trouble_since = 0, None, "", None


def _pause(first: timedelta, failures: int, longest: timedelta) -> timedelta:
    return min(first * (1 << min(failures - 1, 20)), longest)
