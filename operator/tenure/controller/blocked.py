"""The error of a reconciliation that can't continue until a person acts."""

from tenure.domain.reasons import Reason
from tenure.errors import TenureError


class ObstructedError(TenureError):
    """The reconciliation can't continue until a person acts. The text is the message of the condition."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
