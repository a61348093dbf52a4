"""Storages for Kopf that store and read no state.

Kopf's change detection keeps the last handled spec and its progress in annotations, and everyone who may edit the
object can forge these. A role change with a forged annotation would run no handler, and a malformed annotation would
stop even the event handlers of that object. Tenure compares stamps instead.
"""

from typing import Any

import kopf


class NoDiffBase(kopf.DiffBaseStorage):
    """Stores no last handled state."""

    def build(self, **_: Any) -> Any:
        """Return an empty state, because Kopf compares no objects for Tenure."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return None, because no last handled state is stored."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Stores no progress of handlers."""

    def fetch(self, **_: Any) -> Any:
        """Return None, because no progress is stored."""
        return None

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Remove nothing."""

    def touch(self, **_: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the object's state as it is, because it contains no progress."""
        return essence
