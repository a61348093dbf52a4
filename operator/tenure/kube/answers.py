"""Parses the API server's answers into bodies, or into errors whose class says whether a retry can help."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tenure.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    KindNotServedError,
    NamespaceTerminatingError,
    ObjectNotFoundError,
    RejectedError,
    UnauthorizedError,
    UnavailableError,
)

_BY_CODE: Mapping[int, type[ApiError]] = {
    400: RejectedError,
    401: UnauthorizedError,
    403: ForbiddenError,
    405: KindNotServedError,
    409: ConflictError,
    410: UnavailableError,
    413: RejectedError,
    415: RejectedError,
    422: RejectedError,
}


def parse_answer(what: str, code: int, body: bytes, retry_after: str | None) -> dict[str, Any]:
    """Return the body of a successful answer.

    Raises:
        ApiError: the API server rejected the request. The text begins with `what`, e.g. `GET memberships acme/alice`.
    """
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if code < HTTPStatus.MULTIPLE_CHOICES:
        if not isinstance(parsed, dict):
            raise UnavailableError(f"{what}: the answer isn't a JSON object", status=code)
        return parsed
    status = parsed if isinstance(parsed, dict) and parsed.get("kind") == "Status" else {}
    raise _error_class(code, status)(
        f"{what}: {_message(status) or f'HTTP {code}'}",
        status=code,
        reason=str(status.get("reason", "")),
        retry_after=_seconds(retry_after),
        # The API server throttles with a plain text. A `Status` is about what was asked for.
        throttled=code == HTTPStatus.TOO_MANY_REQUESTS and not status,
    )


def _message(status: Mapping[str, Any]) -> str:
    """Return the message of a rejection. The API server lists the faults of a map, such as labels, in random order.

    They are sorted, because the text becomes a condition. It would be written again at each attempt otherwise.
    """
    message = str(status.get("message") or "")
    causes = (status.get("details") or {}).get("causes") or ()
    faults = [f"{cause.get('field')}: {cause.get('message')}" for cause in causes]
    return message.replace(f"[{', '.join(faults)}]", f"[{', '.join(sorted(faults))}]")


def _error_class(code: int, status: Mapping[str, Any]) -> type[ApiError]:
    details = status.get("details") or {}
    if code == HTTPStatus.NOT_FOUND:
        return ObjectNotFoundError if details.get("name") else KindNotServedError
    if code == HTTPStatus.CONFLICT and status.get("reason") == "AlreadyExists":
        return AlreadyExistsError
    causes = details.get("causes") or ()
    if code == HTTPStatus.FORBIDDEN and any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return NamespaceTerminatingError
    return _BY_CODE.get(code, UnavailableError)


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
