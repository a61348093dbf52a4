"""What the API server ever wrote to etcd, by etcd's JSON gateway."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass

import requests

from support.run.slowness import NEVER

PREFIX = "/registry/"


@dataclass(frozen=True)
class Write:
    """A version of an object, as it was stored; no value: it was deleted."""

    key: str
    revision: int
    value: bytes


def current_revision(endpoint: str) -> int:
    """Return the number of the latest write."""
    answer = requests.post(f"{endpoint}/v3/kv/range", json={**_range(PREFIX), "count_only": True}, timeout=NEVER)
    answer.raise_for_status()
    return int(answer.json()["header"]["revision"])


def writes_between(endpoint: str, first: int, last: int) -> Iterator[Write]:
    """Give every write from revision `first` to `last`, those that others replaced since among them."""
    watch = {"create_request": {**_range(PREFIX), "start_revision": first}}
    with requests.post(f"{endpoint}/v3/watch", json=watch, stream=True, timeout=NEVER) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            for event in json.loads(line)["result"].get("events", ()):
                write = _write(event["kv"])
                if write.revision <= last:
                    yield write
                if write.revision >= last:
                    return


def _range(prefix: str) -> dict[str, str]:
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return {"key": _encoded(prefix), "range_end": _encoded(end)}


def _write(pair: dict[str, str]) -> Write:
    key, value = (base64.b64decode(pair.get(name, "")) for name in ("key", "value"))
    return Write(key.decode(), int(pair["mod_revision"]), value)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
