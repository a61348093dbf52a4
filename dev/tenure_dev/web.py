"""Ask a server on the Internet, and never wait longer for it than a few seconds."""

import threading
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse

PATIENCE = 5.0
"""Seconds until a server must have answered."""


class NoAnswerError(Exception):
    """A server couldn't be reached, or didn't answer in time. Its text is the reason."""


def answer(url: str) -> tuple[int, bytes]:
    """Return the status and the body of a small page. Raises `NoAnswerError` if there is none in time.

    The environment's proxies apply. A daemon thread asks, because nothing else ends a name server's silence, and a
    host with many addresses would get the time for each of them.
    """
    results: list[tuple[int, bytes] | NoAnswerError] = []
    thread = threading.Thread(target=lambda: results.append(_ask(url)), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    result = results[0] if results else NoAnswerError(f"no answer from {url} within {PATIENCE:g} s")
    if isinstance(result, NoAnswerError):
        raise result
    return result


def connect(url: str, *, stall: float) -> HTTPResponse:
    """Open a download, which fails if nothing comes for `stall` seconds. Raises `NoAnswerError` without an answer."""
    try:
        response: HTTPResponse = urllib.request.build_opener().open(url, timeout=stall)
    except (OSError, HTTPException) as error:
        raise NoAnswerError(f"{url}: {error}") from error
    if url.startswith("https:") and not response.url.startswith("https:"):
        response.close()
        raise NoAnswerError(f"{url} leads to {response.url}, which isn't encrypted")
    return response


def _ask(url: str) -> tuple[int, bytes] | NoAnswerError:
    try:
        with connect(url, stall=PATIENCE) as response:
            return response.status, response.read()
    except NoAnswerError as error:
        if isinstance(refused := error.__cause__, urllib.error.HTTPError):
            with refused:
                return refused.code, b""
        return error
    except (OSError, HTTPException) as error:
        return NoAnswerError(f"{url}: {error}")
