"""What a page says if it can't be shown, or if a change isn't made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException

from tenure.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    RejectedError,
    StartRefusedError,
    TenureError,
    UnauthorizedError,
)
from tenure.kube.edits import rejection
from tenure.viewmodel.errors import HiddenError, UnknownObjectError, ViewError

CONFLICT, FORBIDDEN, INVALID, UNAUTHORIZED, UNAVAILABLE = 409, 403, 422, 401, 503

_KINDS: tuple[tuple[type[TenureError], int, str], ...] = (
    (UnknownObjectError, 404, "Not found"),
    (HiddenError, FORBIDDEN, "You may not see this"),
    (ViewError, 400, "This isn't possible"),
    (AlreadyExistsError, CONFLICT, "There is an object of that name already"),
    (ConflictError, CONFLICT, "This page is out of date"),
    (ForbiddenError, FORBIDDEN, "The cluster rejected the change"),
    (RejectedError, INVALID, "The cluster rejected the change"),
    (UnauthorizedError, UNAUTHORIZED, "You aren't logged in any more"),
    (StartRefusedError, UNAVAILABLE, "The cluster can't be read"),
    (TenureError, UNAVAILABLE, "The API server doesn't answer now"),
)
_TITLES = {404: "Not found", 405: "Not allowed here"}


@dataclass(frozen=True)
class Failure:
    """Why there is no page or no change.

    Attributes:
        lines: The reason, line by line.
        changed: Facts that changed since the page was made: their name, and the former and the present value.
        back: The path where to look again, or empty.
        kept: The fields of a form that was sent, for sending them again after a login.
    """

    status: int
    title: str
    lines: Sequence[str]
    changed: Sequence[tuple[str, str, str]] = ()
    back: str = ""
    kept: Mapping[str, str] = field(default_factory=dict)


class StoppedError(TenureError):
    """A change isn't made, and the answer says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.title)
        self.failure = failure


def failure_of(error: Exception) -> Failure:
    """Return what a page says about an error of Tenure or of Starlette. All others are bugs, and get no page."""
    if isinstance(error, StoppedError):
        return error.failure
    if isinstance(error, HTTPException):
        return Failure(
            error.status_code, _TITLES.get(error.status_code, "This request can't be answered"), [error.detail]
        )
    status, title = next((status, title) for kind, status, title in _KINDS if isinstance(error, kind))
    rejected = isinstance(error, ForbiddenError | RejectedError)
    text = rejection(error) if rejected and isinstance(error, ApiError) else str(error)
    if isinstance(error, UnauthorizedError) and error.status:
        text = "The cluster doesn't accept your token."
    return Failure(status, title, text.splitlines())
