"""Adds fields, such as the reconciled object, to all log lines of any logger while a block runs."""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

_NOTHING: Mapping[str, object] = {}
_FIELDS: ContextVar[Mapping[str, object]] = ContextVar("log fields", default=_NOTHING)


@contextlib.contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Add fields to log lines while the block runs, besides those of the blocks around it."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def current_fields() -> Mapping[str, object]:
    """The fields of a log line that is written now."""
    return _FIELDS.get()


def object_fields(kind: str, namespace: str, name: str | None) -> Mapping[str, str | None]:
    """The fields by which log lines name an object."""
    return {"kind": kind, "namespace": namespace, "name": name}
