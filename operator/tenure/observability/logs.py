"""Writes log lines for people or for programs. They contain no token, because a `Token` prints itself redacted."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from tenure.observability.logcontext import current_fields
from tenure.settings import LogFormat, LogLevel

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_OURS = "tenure"
_STANDARD = vars(logging.makeLogRecord({})).keys()
_NOISY = ("kopf", "aiohttp", "asyncio")


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
    record.__dict__.update(current_fields())
    return True
