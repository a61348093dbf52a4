"""The errors that Tenure raises on purpose. The class of an error says whether a retry can help."""


class TenureError(Exception):
    """The base of all errors whose text is meant for a person."""


class StartRefusedError(TenureError):
    """The process can't start as it is configured. The text names the setting, field or right, and what to do."""


class ServerAwayError(StartRefusedError):
    """The API server doesn't answer, or fails, so the process can't check now what the cluster lacks."""


class WatchEndedError(TenureError):
    """The process can no longer watch the cluster, and must be restarted."""


class LeadershipLostError(TenureError):
    """Another replica reconciles, or may do so soon, so this process must exit."""


class TaskFailedError(TenureError):
    """A task in the background failed by a bug, so this process must exit."""


class MalformedTokenError(TenureError):
    """A text isn't a token, because its form or its checksum is wrong. The error never repeats the text."""


class MalformedObjectError(TenureError):
    """An object doesn't fit the schema. The text names the object and the field."""


class ApiError(TenureError):
    """The API server rejected a request, or couldn't be reached.

    Attributes:
        status: HTTP status code, or 0 if there was no answer.
        reason: `Status.reason` of the answer, for example `Conflict`, or "" if there was none.
        retry_after: Seconds that the API server asked to wait (`Retry-After`), or None.
        throttled: Whether the API server didn't look at the request, because there are too many of its sort.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retry_after: float | None = None,
        throttled: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after
        self.throttled = throttled


class ObjectNotFoundError(ApiError):
    """The object doesn't exist, although its kind is served."""


class KindNotServedError(ApiError):
    """The API server doesn't serve the kind, because its CustomResourceDefinition is missing or being deleted."""


class AlreadyExistsError(ApiError):
    """An object of that name already exists."""


class ConflictError(ApiError):
    """A precondition (uid or resourceVersion) isn't met any more. Read the object and decide again."""


class NamespaceTerminatingError(ApiError):
    """The namespace is terminating, so the API server rejects new objects in it."""


class ForbiddenError(ApiError):
    """The operator lacks a right. The text names the verb and the resource."""


class RejectedError(ApiError):
    """The API server rejected the request as invalid. A retry can't help."""


class UnavailableError(ApiError):
    """The API server is unreachable, overloaded or failing. Retry later."""


class UnauthorizedError(UnavailableError):
    """The API server doesn't accept the credentials. Retry, because they may be renewed in place."""
