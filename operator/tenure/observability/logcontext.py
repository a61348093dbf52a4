"""What log lines are about: fields that every line carries which is written while a block runs, whoever writes it."""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

_NOTHING: Mapping[str, object] = {}
_FIELDS: ContextVar[Mapping[str, object]] = ContextVar("log fields", default=_NOTHING)


@contextlib.contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Have log lines carry fields while the block runs, beside those of the blocks around it."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def current_fields() -> Mapping[str, object]:
    """The fields of a line that is written now."""
    return _FIELDS.get()


def object_fields(kind: str, namespace: str, name: str | None) -> Mapping[str, str | None]:
    """An object as log lines name it."""
    return {"kind": kind, "namespace": namespace, "name": name}
