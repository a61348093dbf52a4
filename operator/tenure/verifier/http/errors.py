"""The error that rejects a request to the verifier."""

BAD_REQUEST, TIMED_OUT, TOO_LARGE, HEAD_TOO_LARGE = 400, 408, 413, 431


class BadRequestError(Exception):
    """The request is malformed. The text says why, and never repeats any of the request."""

    def __init__(self, message: str, status: int = BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status
