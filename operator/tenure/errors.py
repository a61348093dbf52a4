"""Every error that Tenure raises on purpose; its class says whether trying again can help."""


class TenureError(Exception):
    """The base of all errors whose text is meant for a person."""


class StartRefusedError(TenureError):
    """The process can't start as it is configured; the text names the setting, field or right, and what to do."""


class ServerAwayError(StartRefusedError):
    """The API server doesn't answer, or fails: what the cluster lacks can't be told now."""


class WatchEndedError(TenureError):
    """The process can't see what happens in the cluster any more, and must be started again."""


class LeadershipLostError(TenureError):
    """Another replica reconciles, or may do so soon, so the process must end."""


class MalformedTokenError(TenureError):
    """A text isn't a token: wrong shape or wrong checksum. The text itself is never repeated."""


class MalformedObjectError(TenureError):
    """An object doesn't fit the schema; the text names the object and the field."""


class ApiError(TenureError):
    """The API server refused a request, or couldn't be reached.

    Attributes:
        status: HTTP status code; 0 where there was no answer.
        reason: `Status.reason` of the answer, e.g. `Conflict`; empty where there was none.
        retry_after: Seconds that the server asked to wait, or None.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class ObjectNotFoundError(ApiError):
    """The object doesn't exist, although its kind is served."""


class KindNotServedError(ApiError):
    """The API server doesn't serve the kind: its CustomResourceDefinition is missing or going."""


class AlreadyExistsError(ApiError):
    """An object of that name exists."""


class ConflictError(ApiError):
    """A precondition (uid or resourceVersion) doesn't hold any more: read again and decide anew."""


class NamespaceTerminatingError(ApiError):
    """The namespace is going away, so nothing can be created in it."""


class ForbiddenError(ApiError):
    """The operator lacks a right; the text names verb and resource."""


class RejectedError(ApiError):
    """The API server found the request invalid; trying the same again is useless."""


class UnavailableError(ApiError):
    """The API server is unreachable, overloaded or failing: try again later."""


class UnauthorizedError(UnavailableError):
    """The API server doesn't know who we are; a credential that is renewed in place may help."""
