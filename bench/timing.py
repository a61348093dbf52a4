"""Whether two kinds of requests can be told apart by the time that their answers take."""

import math
import socket
import statistics
import time
from collections.abc import Sequence

_PER_SOURCE = 500
"""Requests from one address, which are fewer than a verifier lets fail in a minute."""


def compare(port: int, left: Sequence[bytes], right: Sequence[bytes], count: int) -> float:
    """Welch's t of the answers' times, over so many requests of each kind, which take turns."""
    taken: tuple[list[float], list[float]] = ([], [])
    turns = [(number, side) for number in range(count) for side in ((0, 1) if number % 2 else (1, 0))]
    for begin in range(0, len(turns), _PER_SOURCE):
        source = (f"127.0.1.{begin // _PER_SOURCE + 1}", 0)
        with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=source) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number, side in turns[begin : begin + _PER_SOURCE]:
                requests = (left, right)[side]
                began = time.perf_counter()
                connection.sendall(requests[number % len(requests)])
                answer = connection.recv(65536)
                while not answer.endswith(b"}"):  # Head and body may come one after the other.
                    answer += connection.recv(65536)
                if not answer.startswith(b"HTTP/1.1 401"):
                    raise ValueError("a token that nobody has was not refused")
                taken[side].append((time.perf_counter() - began) * 1e6)
    return _welch(*taken)


def _welch(left: Sequence[float], right: Sequence[float]) -> float:
    noise = statistics.variance(left) / len(left) + statistics.variance(right) / len(right)
    return (statistics.fmean(left) - statistics.fmean(right)) / math.sqrt(noise)
