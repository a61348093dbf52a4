"""One log line for each answer, as the log is configured, at a fraction of what a line costs otherwise.

Formatting a line takes longer than an answer. So one is formatted with placeholders, anew when its time is old, and the
answers of a turn of the event loop are filled in and written together.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

log = logging.getLogger("tenure.verify")

TIME_SECONDS = 0.05
"""How old the time in a line may be."""

_CODE, _KEY_ID, _SOURCE = "<code>", "<key id>", "<source>"


@dataclass(frozen=True)
class Line:
    """What is logged of an answer; none of it is free text of the caller's."""

    code: str
    key_id: str | None
    """None: what was presented is no token."""
    source: str


class AnswerLog:
    """Writes what was answered."""

    def __init__(self) -> None:
        self._waiting: list[Line] = []
        self._templates: Sequence[_Template] = ()
        self._formatted_at = float("-inf")

    def add(self, line: Line) -> None:
        """Have an answer logged in the event loop's next turn."""
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
    """How a handler writes an answer to a token, and to what is none."""

    handler: "logging.StreamHandler[TextIO]"
    with_key: str
    without: str

    def write(self, lines: Sequence[Line]) -> None:
        handler = self.handler
        texts = [_filled(self.without if line.key_id is None else self.with_key, line) for line in lines]
        handler.acquire()
        try:
            handler.stream.write("".join(text + handler.terminator for text in texts))
            handler.flush()
        except OSError:
            handler.handleError(_record(None))
        finally:
            handler.release()


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
