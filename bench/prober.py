"""Asks a process for its health again and again, from a process of its own, which nothing else keeps busy."""

import http.client
import json
import sys
import time

_PAUSE_SECONDS = 0.05
_PATHS = ("/livez", "/readyz")


def main() -> None:
    """Print one line for each answer: the path, the HTTP status, and the milliseconds that it took."""
    port = int(sys.argv[1])
    while True:
        for path in _PATHS:
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", path)
                status = connection.getresponse().status
            except OSError:
                continue  # It doesn't listen yet, or not any more.
            finally:
                connection.close()
                time.sleep(_PAUSE_SECONDS)
            took = (time.perf_counter() - began - _PAUSE_SECONDS) * 1000
            print(json.dumps([path, status, took]), flush=True)


if __name__ == "__main__":
    main()
