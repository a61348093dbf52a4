"""The error of work that waits for a person."""

from tenure.domain.reasons import Reason
from tenure.errors import TenureError


class ObstructedError(TenureError):
    """Nothing can be done until somebody acts; the text is the status's message."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
