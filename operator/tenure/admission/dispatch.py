"""The entry point of the webhooks: gather the evidence for a request, decide, and act on the decision."""

from typing import Any

from tenure.admission.act import act
from tenure.admission.gather import gather
from tenure.admission.reader import Context
from tenure.domain.admission.decide import decide
from tenure.domain.admission.request import AdmissionRequest, Change
from tenure.domain.admission.verdict import Judgement
from tenure.domain.resources import Resource
from tenure.domain.resources.base import GROUP, VERSION


async def judge(context: Context, resource: type[Resource], request: AdmissionRequest) -> Judgement:
    """Judge a request that arrived on the path of a kind.

    Raises:
        ValueError: the request is for another path, or its objects don't fit together.
        ApiError: the API server didn't return the evidence for the judgement.
    """
    asked = request.resource
    if (asked.group, asked.version, asked.resource) != (GROUP, VERSION, resource.plural) or request.sub_resource:
        raise ValueError(
            f"{asked.resource}.{asked.version}.{asked.group}/{request.sub_resource} isn't checked on this path"
        )
    change: Change[Any] = Change.of(request, resource)
    return await act(context, decide(await gather(context, change)))
