"""Kopf's admission handlers, and the ValidatingWebhookConfiguration that follows from them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import kopf

from tenure.admission.dispatch import judge
from tenure.admission.reader import Context
from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.admission.verdict import Judgement
from tenure.domain.resources import KINDS, Resource
from tenure.domain.resources.base import GROUP, VERSION
from tenure.errors import MalformedObjectError, TenureError, UnauthorizedError, UnavailableError

log = logging.getLogger("tenure.admission")

JUDGED_WITHIN_SECONDS = 4.0
"""The API server waits a second longer."""


@dataclass
class Hearing:
    """A request, and the judgement on it: Kopf admits what no handler looked at, so it is refused until one does."""

    request: AdmissionRequest
    judgement: Judgement = field(default_factory=lambda: Judgement().refuse("the review reached no judge"))
    failed: bool = True
    """Whether it is refused because it wasn't judged."""

    def close(self, judgement: Judgement) -> None:
        """Answer with a judgement."""
        self.judgement, self.failed = judgement, False

    def fail(self, sentence: str) -> None:
        """Refuse, since it can't be judged."""
        self.judgement, self.failed = Judgement().refuse(sentence), True

    def fail_unexpectedly(self, error: Exception) -> None:
        """Log an exception, and refuse with a sentence that repeats nothing of it."""
        incident = uuid4().hex[:8]
        log.error("incident %s: request %s is denied", incident, self.request.uid, exc_info=error)
        self.fail(f"an unexpected error in Tenure, so this is refused; its log says more about incident {incident}")


HEARING: ContextVar[Hearing] = ContextVar("hearing")
"""The request that is being judged: Kopf hands handlers the review's parts, and would remember the objects for ever."""


def register(
    registry: kopf.OperatorRegistry, context: Context, on_no_answer: Callable[[], None] = lambda: None
) -> None:
    """Register a handler for each kind; its id is the path that reviews come to.

    `on_no_answer` is called where a judgement fails because the API server doesn't answer, or doesn't know who asks.
    """
    for resource in KINDS:
        kopf.on.validate(
            GROUP,
            VERSION,
            resource.plural,
            id=resource.plural,
            operations=["CREATE", "UPDATE", "DELETE"],
            side_effects=resource.plural == "memberships",
            registry=registry,
        )(_judge(context, resource, on_no_answer))


def _judge(
    context: Context, resource: type[Resource], on_no_answer: Callable[[], None]
) -> Callable[..., Awaitable[None]]:
    async def judge_review(**_: Any) -> None:
        # Nothing is raised: Kopf would log each refusal as its own error, and answer with the first error only.
        await _hear(context, resource, HEARING.get(), on_no_answer)

    return judge_review


async def _hear(context: Context, resource: type[Resource], hearing: Hearing, on_no_answer: Callable[[], None]) -> None:
    """Judge; whatever goes wrong refuses, and nothing of an unexpected error reaches the requester."""
    request = hearing.request
    try:
        async with asyncio.timeout(JUDGED_WITHIN_SECONDS):
            hearing.close(await judge(context, resource, request))
    except TimeoutError:
        on_no_answer()
        hearing.fail("the API server didn't answer Tenure's questions in time; try again")
    except MalformedObjectError as error:
        hearing.fail(f"an object that this rests on can't be understood: {error}")
    except TenureError as error:
        if isinstance(error, UnauthorizedError) or (isinstance(error, UnavailableError) and not error.status):
            on_no_answer()
        log.warning("request %s is denied, since it can't be judged: %s", request.uid, error)
        hearing.fail(f"Tenure couldn't read what this rests on, so it is refused; try again ({error})")
    except ValueError as error:
        log.warning("request %s is denied: %s", request.uid, error)
        hearing.fail("the object in the review can't be understood")
    except Exception as error:  # noqa: BLE001 - logged with its traceback there
        hearing.fail_unexpectedly(error)
