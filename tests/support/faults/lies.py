"""Answers that lie, for a proxy between the operator and the API server."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import OnRequest
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import API_VERSION
from tenure_dev.controlplane import ControlPlane

TOO_MANY = replace(Reply.failure(429, "TooManyRequests"), headers={"Retry-After": "1"})
KINDS = tuple(resource.plural for resource in (Organization, Membership, ApiKey))
NOT_SERVED = Reply.failure(404, "NotFound", "the server could not find the requested resource")
"""What the API server says where there is no such kind: about the object asked for it says nothing."""

Lists = Mapping[str, Mapping[str, Any]]


def record_lists(plane: ControlPlane, namespace: str, kinds: Collection[str] = KINDS) -> Lists:
    """Return the lists of a namespace as the API server gives them now."""
    paths = {kind: f"/apis/{API_VERSION}/namespaces/{namespace}/{kind}" for kind in kinds}
    return {kind: json.loads(plane.kubectl("get", "--raw", path).stdout) for kind, path in paths.items()}


def emptied(lists: Lists) -> Lists:
    """Return the lists without their items."""
    return {kind: {**body, "items": []} for kind, body in lists.items()}


def answer_lists(lists: Lists) -> OnRequest:
    """Answer each list of these kinds with what is given here."""

    async def hook(request: Request) -> Answer:
        return Reply.json(lists[request.resource]) if request.is_list and request.resource in lists else None

    return hook


def answer_reads(kind: str, reply: Reply, otherwise: OnRequest) -> OnRequest:
    """Answer each read of a single object of a kind with `reply`, and what else there is with another hook."""

    async def hook(request: Request) -> Answer:
        if request.method == "GET" and request.resource == kind and request.name:
            return reply
        return await otherwise(request)

    return hook


def fail_watch(kind: str, reply: Answer, *, and_list: Answer = None) -> OnRequest:
    """Answer the next watch of a kind with `reply`, the next list with `and_list`, and let all else pass."""
    answers = {"watch": reply, "list": and_list}

    async def hook(request: Request) -> Answer:
        if request.resource != kind or not (request.is_watch or request.is_list):
            return None
        return answers.pop("watch" if request.is_watch else "list", None)

    return hook


class OnceEach:
    """Trouble for the first request of each sort: for each verb on each object, and each list and watch."""

    def __init__(self, answer: Answer) -> None:
        self.troubled: set[tuple[str, ...]] = set()
        self._answer = answer

    async def instead(self, request: Request) -> Answer:
        """The hook `on_request`: the request is lost."""
        return self._answer if self._is_first(request) else None

    async def afterwards(self, request: Request, reply: Reply) -> Answer:
        """The hook `on_response`: the request is carried out, and its answer is lost."""
        del reply
        return self._answer if self._is_first(request) else None

    async def cut_short(self, request: Request, reply: Reply) -> Answer:
        """The hook `on_response`: the request is carried out, and its answer is cut in the middle."""
        return replace(reply, body=reply.body[: len(reply.body) // 2]) if self._is_first(request) else None

    def _is_first(self, request: Request) -> bool:
        name = request.name or ((request.json or {}).get("metadata") or {}).get("name", "")
        sort = (request.method, request.resource, name, str(request.is_watch))
        if not request.resource or sort in self.troubled:
            return False
        self.troubled.add(sort)
        return True
