"""No Kopf state anywhere.

Kopf's change detection keeps the last handled spec and its progress in annotations, which whoever may edit the object
can forge: a role change with a forged annotation would run no handler, and a malformed one would stop even the event
handlers of that object. Tenure compares stamps instead, so nothing is stored, and nothing stored is read.
"""

from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last handled state."""

    def build(self, **_: Any) -> Any:
        """Nothing of the object is compared, so nothing of it is copied."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """There never is a last handled state."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Keeps no handlers' progress."""

    def fetch(self, **_: Any) -> Any:
        """There never is any progress."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """There is nothing to remove."""

    def touch(self, **_: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """There is nothing of ours in an object."""
        return essence
