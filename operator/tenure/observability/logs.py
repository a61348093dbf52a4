"""Writes log lines for people or for programs. They contain no token, because a `Token` prints itself redacted."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from tenure.settings import LogFormat, LogLevel

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OURS = "tenure"
_STANDARD = vars(logging.makeLogRecord({})).keys()
_NOISY = ("kopf", "aiohttp", "asyncio")
_NOTHING: Mapping[str, object] = {}
_FIELDS: ContextVar[Mapping[str, object]] = ContextVar("log fields", default=_NOTHING)


def configure_logs(log_format: LogFormat, level: LogLevel) -> None:
    """Send log lines from this level on to standard error, as text or as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_fields)
    if log_format is LogFormat.JSON:
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(logging.Formatter(_TEXT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.value.upper())
    if level is not LogLevel.DEBUG:
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.WARNING)


def _add_fields(record: logging.LogRecord) -> bool:
    """Add the current fields to a line, and remove those that a library attached.

    For example, Kopf attaches its settings, which aren't JSON.
    """
    if record.name.partition(".")[0] != _OURS:
        for name in record.__dict__.keys() - _STANDARD:
            del record.__dict__[name]
    record.__dict__.update(_FIELDS.get())
    return True


@contextlib.contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Add fields to log lines while the block runs, besides those of the blocks around it."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def object_fields(kind: str, namespace: str, name: str | None) -> Mapping[str, str | None]:
    """The fields by which log lines name an object."""
    return {"kind": kind, "namespace": namespace, "name": name}
