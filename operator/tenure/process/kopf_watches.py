"""Takes new states of objects out of Kopf's watches, before Kopf parses them.

Kopf keeps a watch open: it lists, continues, starts again and ends it. But for each event it starts a task and prepares
everything that a handler may need, which costs as much as a fourth of what it takes to issue a key. Half of the events
only report Tenure's own writes, whose answers the controller has taken in.
"""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, cast

import aiohttp

from tenure.domain.resources.base import API_VERSION


class Event(NamedTuple):
    """What an event says of an object: its address, and its version."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: int


# The end of the metadata, as the API server writes it: sorted, and nobody can write `"uid":"…"},"spec":{` into a label,
# an annotation or another text, where the quotes are escaped and no field is called spec. An object with an
# ownerReference, or from a server that writes in another order, doesn't match, and then Kopf handles its event.
_METADATA = re.compile(
    rb'"name":"([^"\\]+)","namespace":"([^"\\]+)","resourceVersion":"(\d+)","uid":"([^"\\]+)"},"spec":{'
)
_BEGINNING = re.compile(
    rb'{"type":"(?:ADDED|MODIFIED)","object":{"apiVersion":"%b","kind":"(\w+)","metadata":{' % API_VERSION.encode()
)


def read_event(line: bytes) -> Event | None:
    """Read what a line of a watch says, without parsing it. None: something else than a new state of an object."""
    beginning = _BEGINNING.match(line)
    metadata = _METADATA.search(line) if beginning is not None else None
    if beginning is None or metadata is None:
        return None
    name, namespace, version, uid = (part.decode() for part in metadata.groups())
    return Event(beginning[1].decode(), namespace, name, uid, int(version))


TakeState = Callable[[Event, bytes], bool]
"""Gets a new state of an object and its line, and returns whether it takes it. It must not raise."""


def without_states(content: aiohttp.StreamReader, take: TakeState) -> aiohttp.StreamReader:
    """Return the content of a watch's answer without the lines that `take` takes."""
    return cast(aiohttp.StreamReader, _Filtered(content, take))


class _Filtered:
    """The content of an answer without some lines. Kopf reads it by `iter_chunked`, and all else passes through."""

    def __init__(self, content: aiohttp.StreamReader, take: TakeState) -> None:
        self._content = content
        self._take = take

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield the content in whole lines, as soon as they are there."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            if left := [line for line in lines if not self._is_taken(line)]:
                yield b"\n".join([*left, b""])
        yield rest

    def _is_taken(self, line: bytes) -> bool:
        event = read_event(line)
        return event is not None and self._take(event, line)
