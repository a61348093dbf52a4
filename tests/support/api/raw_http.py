"""HTTP as bytes, for what no client library would send."""

import socket

from support.run.slowness import NEVER


def spoken(port: int, *parts: bytes) -> bytes:
    """Say something on a new connection of the loopback, and return all that is answered until the other side ends.

    A connection that is cut while there is still something to say answers what had come by then.
    """
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=NEVER) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
    return answer


def head(method: str, path: str, *lines: str) -> bytes:
    """A request's head, after which the connection is closed; `lines` are headers, as they are."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "Connection: close", "", ""]).encode()


def status(answer: bytes) -> int:
    """The status of an answer; 0: there was none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
