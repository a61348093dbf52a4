"""Write one log line for each answer, in the configured format, at a fraction of the usual CPU time.

Formatting a line takes longer than deciding. So a line is formatted with placeholders, again whenever its time is too
old. The answers of one turn of the event loop are filled into it and written together.
"""

import asyncio
import logging
import select
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

log = logging.getLogger("tenure.verify")

TIME_SECONDS = 0.05
"""Maximum age of the time in a line, in seconds."""

_CODE, _KEY_ID, _SOURCE = "<code>", "<key id>", "<source>"


@dataclass(frozen=True)
class Line:
    """The logged fields of an answer. None of them is free text from the caller."""

    code: str
    key_id: str | None
    """Public id of the token, or None if the caller's text isn't a token."""
    source: str
    """Address of the caller."""


class AnswerLog:
    """Collects the answers and writes their log lines."""

    def __init__(self) -> None:
        self._waiting: list[Line] = []
        self._templates: Sequence[_Template] = ()
        self._formatted_at = float("-inf")

    def add(self, line: Line) -> None:
        """Log an answer in the event loop's next turn."""
        if not log.isEnabledFor(logging.INFO):
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write)
        self._waiting.append(line)

    def _write(self) -> None:
        lines, self._waiting = self._waiting, []
        now = time.monotonic()
        if now - self._formatted_at > TIME_SECONDS:
            self._templates, self._formatted_at = _templates(), now
        for template in self._templates:
            template.write(lines)


@dataclass(frozen=True)
class _Template:
    """A handler's formatted lines, with placeholders: one for a token, and one for a text that isn't a token."""

    handler: "logging.StreamHandler[TextIO]"
    with_key: str
    without: str

    def write(self, lines: Sequence[Line]) -> None:
        handler = self.handler
        texts = [_filled(self.without if line.key_id is None else self.with_key, line) for line in lines]
        handler.acquire()
        try:
            for text in _whole_lines(texts, handler.terminator):
                handler.stream.write(text)
                handler.flush()
        except OSError:
            handler.handleError(_record(None))
        finally:
            handler.release()


def _whole_lines(texts: Sequence[str], terminator: str) -> Iterator[str]:
    """Join lines, but only so many that a pipe takes them in one piece.

    Otherwise the lines of another process that writes into the same pipe could get into the middle of one.
    """
    joined: list[str] = []
    size = 0
    for text in texts:
        # Each character is one byte, because no field is free text.
        if joined and size + len(text) + len(terminator) > select.PIPE_BUF:
            yield "".join(joined)
            joined, size = [], 0
        joined += (text, terminator)
        size += len(text) + len(terminator)
    if joined:
        yield "".join(joined)


def _templates() -> Sequence[_Template]:
    with_key, without = _record(_KEY_ID), _record(None)
    return [
        _Template(handler, handler.format(with_key), handler.format(without))
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.filter(with_key) and handler.filter(without)
    ]


def _record(key_id: str | None) -> logging.LogRecord:
    extra = {"key_id": key_id, "source": _SOURCE, "code": _CODE}
    return log.makeRecord(log.name, logging.INFO, __file__, 0, "%s", (_CODE,), None, None, extra)


def _filled(template: str, line: Line) -> str:
    return template.replace(_CODE, line.code).replace(_KEY_ID, line.key_id or "").replace(_SOURCE, line.source)
