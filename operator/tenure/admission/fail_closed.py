"""Judge a review within a time limit, and reject it on every error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.admission.verdict import Judgement
from tenure.errors import MalformedObjectError, TenureError, UnauthorizedError, UnavailableError
from tenure.observability.log_limits import cause_of, warn_once_a_minute

log = logging.getLogger("tenure.admission")

JUDGED_WITHIN_SECONDS = 4.0
"""Time limit of a judgement. The API server waits one second longer (`timeoutSeconds` is 5)."""


@dataclass(frozen=True)
class Answer:
    """The judgement on a request, and whether Tenure failed to check the request."""

    judgement: Judgement
    failed: bool = False
    """Whether the request is rejected because Tenure couldn't check it."""

    @classmethod
    def fail(cls, sentence: str) -> Self:
        """Reject a request that Tenure couldn't check, with a sentence that says why. A retry can't help."""
        return cls(Judgement().refuse(sentence), failed=True)

    @classmethod
    def try_again(cls, sentence: str) -> Self:
        """Reject a request that Tenure can't check at the moment. Clients send it again after a second."""
        return cls(Judgement(busy=sentence), failed=True)


async def judge_or_reject(
    judging: Awaitable[Judgement], request: AdmissionRequest, on_no_answer: Callable[[], None] = lambda: None
) -> Answer:
    """Judge a request, and reject it on every error. The text of an unexpected error doesn't reach the requester.

    `on_no_answer` is called if the judgement fails because the API server doesn't answer, or because it doesn't accept
    the credentials of this process.
    """
    try:
        async with asyncio.timeout(JUDGED_WITHIN_SECONDS):
            return Answer(await judging)
    except (TimeoutError, UnavailableError) as error:
        if isinstance(error, TimeoutError | UnauthorizedError) or not error.status:
            on_no_answer()
        text = "Rejected request %s, because Tenure can't check it now: %s"
        warn_once_a_minute(log, cause_of(error), text, request.uid, error or "no answer")
        return Answer.try_again(_not_now(error))
    except (TenureError, ValueError) as error:
        log.warning("Rejected request %s, because Tenure can't check it: %s", request.uid, error)
        return Answer.fail(_hopeless(error))
    except Exception:  # Whatever the error is, the change must be rejected, and the requester sees no internals.
        incident = uuid4().hex[:8]
        log.exception("Incident %s: rejected request %s after an unexpected error", incident, request.uid)
        return Answer.fail(f"Rejected: unexpected error in Tenure. See the webhook's log for incident {incident}")


def _not_now(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "Rejected: the API server didn't answer Tenure in time to check this change. Try again."
    return f"Rejected: Tenure couldn't reach the API server to check this change. Try again. ({error})"


def _hopeless(error: Exception) -> str:
    if isinstance(error, MalformedObjectError):
        return f"Rejected: Tenure can't parse an object that it needs to check this change: {error}"
    if isinstance(error, TenureError):
        return f"Rejected: Tenure can't check this change. A cluster administrator has to mend this first: {error}"
    return "Rejected: Tenure can't parse the object in the request."
