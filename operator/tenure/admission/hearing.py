"""A review is judged in time, and refused on every error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.admission.verdict import Judgement
from tenure.errors import MalformedObjectError, TenureError, UnauthorizedError, UnavailableError

log = logging.getLogger("tenure.admission")

JUDGED_WITHIN_SECONDS = 4.0
"""The API server waits a second longer."""


@dataclass(frozen=True)
class Hearing:
    """The judgement on a request."""

    judgement: Judgement
    failed: bool = False
    """Whether it is refused because it couldn't be judged."""

    @classmethod
    def fail(cls, sentence: str) -> Self:
        """Refuse, since it can't be judged."""
        return cls(Judgement().refuse(sentence), failed=True)


async def hear(
    judging: Awaitable[Judgement], request: AdmissionRequest, on_no_answer: Callable[[], None] = lambda: None
) -> Hearing:
    """Judge; whatever goes wrong refuses, and nothing of an unexpected error reaches the requester.

    `on_no_answer` is called where a judgement fails because the API server doesn't answer, or doesn't know who asks.
    """
    try:
        async with asyncio.timeout(JUDGED_WITHIN_SECONDS):
            return Hearing(await judging)
    except TimeoutError:
        on_no_answer()
        return Hearing.fail("the API server didn't answer Tenure's questions in time; try again")
    except MalformedObjectError as error:
        return Hearing.fail(f"an object that this rests on can't be understood: {error}")
    except TenureError as error:
        if isinstance(error, UnauthorizedError) or (isinstance(error, UnavailableError) and not error.status):
            on_no_answer()
        log.warning("request %s is denied, since it can't be judged: %s", request.uid, error)
        return Hearing.fail(f"Tenure couldn't read what this rests on, so it is refused; try again ({error})")
    except ValueError as error:
        log.warning("request %s is denied: %s", request.uid, error)
        return Hearing.fail("the object in the review can't be understood")
    except Exception:
        incident = uuid4().hex[:8]
        log.exception("incident %s: request %s is denied", incident, request.uid)
        return Hearing.fail(
            f"an unexpected error in Tenure, so this is refused; its log says more about incident {incident}"
        )
