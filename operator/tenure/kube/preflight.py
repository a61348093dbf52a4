"""Checks at the start that the CustomResourceDefinitions are recent enough and that a program has its rights."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeVar

from tenure.domain.resources import KINDS
from tenure.domain.resources.base import GROUP, VERSION
from tenure.domain.schema import custom_resource_definition, requirements
from tenure.errors import (
    ForbiddenError,
    KindNotServedError,
    ObjectNotFoundError,
    ServerAwayError,
    StartRefusedError,
    UnauthorizedError,
    UnavailableError,
)
from tenure.kube.cluster import Cluster
from tenure.kube.right import (
    ALWAYS,
    ELECTION,
    IMPERSONATED_CHANGES,
    IMPERSONATION,
    OWN_AUTHORITY,
    Place,
    Right,
    When,
    is_allowed,
)
from tenure.kube.rights import DEFINITIONS, groups_of
from tenure.observability.metrics import Component

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_APPLY = "kubectl apply --server-side -f crds/"

IMPERSONATION_MINOR = 36
"""The minor version of Kubernetes in which constrained impersonation is on by default."""

_AT_ONCE = 4
"""Number of requests at a time. Each may open a connection, and a TLS handshake takes longer than some answers."""

Q = TypeVar("Q")
A = TypeVar("A")


async def check_verifier(cluster: Cluster, namespaces: Sequence[str]) -> None:
    """Check that the verifier has its rights. No namespaces means all of them.

    Raises:
        StartRefusedError: a right is missing.
    """
    await _check_rights(cluster, Component.VERIFIER, {ALWAYS}, namespaces)


async def check_mail(cluster: Cluster, namespaces: Sequence[str], system_namespace: str) -> None:
    """Check that `tenure mail` has its rights. No namespaces means all of them.

    Raises:
        StartRefusedError: a right is missing.
    """
    await _check_rights(cluster, Component.MAIL, {ALWAYS}, namespaces, system_namespace)


async def check_reachable(cluster: Cluster) -> Mapping[str, Any]:
    """Check that the API server answers, and return its version, or nothing if it tells it only to those it knows.

    Raises:
        ServerAwayError: it doesn't answer.
    """
    try:
        return await cluster.read("/version")
    except (UnauthorizedError, ForbiddenError):
        return {}
    except (UnavailableError, KindNotServedError) as error:
        raise ServerAwayError(f"the API server at {cluster.connection.server} doesn't answer: {error}") from error


async def check_impersonation(cluster: Cluster, namespaces: Sequence[str], *, read_only: bool) -> None:
    """Check that the console may act in the name of people, and in no wider way. No namespaces means all of them.

    Raises:
        StartRefusedError: the API server is too old, a right is missing, or there is a right that it must not have.
    """
    version = await check_reachable(cluster)
    minor = "".join(takewhile(str.isdigit, str(version.get("minor", ""))))
    if int(minor or 0) < IMPERSONATION_MINOR:
        raise StartRefusedError(
            f"--mode=Impersonation needs Kubernetes 1.{IMPERSONATION_MINOR} or newer, and this is "
            f"{version.get('gitVersion', 'unknown')}. An older one can't limit what the console may do in the name of "
            "people. Use --mode=PassThrough"
        )
    met = {IMPERSONATION} if read_only else {IMPERSONATION, IMPERSONATED_CHANGES}
    await _check_rights(cluster, Component.CONSOLE, met, namespaces)
    if await is_allowed(cluster, "", Right("", "users", ("impersonate",)), "impersonate"):
        raise StartRefusedError(
            "the console may impersonate everybody for everything (the verb impersonate on users), which is more than "
            "it needs. Take this right from its ServiceAccount"
        )


async def check_election(cluster: Cluster, system_namespace: str) -> None:
    """Check that the controller has the rights for the election.

    Raises:
        StartRefusedError: a right is missing.
    """
    await _check_rights(cluster, Component.CONTROLLER, {ELECTION}, system_namespace=system_namespace)


async def check_admission(
    cluster: Cluster, namespaces: Sequence[str], system_namespace: str, *, own_authority: bool
) -> None:
    """Check that the webhook has its rights. No namespaces means all of them.

    Raises:
        StartRefusedError: a right is missing.
    """
    met = {ALWAYS, OWN_AUTHORITY} if own_authority else {ALWAYS}
    await _check_rights(cluster, Component.WEBHOOK, met, namespaces, system_namespace)


async def check_cluster(cluster: Cluster, namespaces: Sequence[str]) -> None:
    """Check the CustomResourceDefinitions and the controller's rights. No namespaces means all of them.

    Raises:
        ServerAwayError: the API server doesn't answer.
        StartRefusedError: a CRD is missing or older than this code, or a right is missing.
    """
    await check_definitions(cluster)
    await _check_rights(cluster, Component.CONTROLLER, {ALWAYS}, namespaces)


async def check_definitions(cluster: Cluster) -> None:
    """Check that the CustomResourceDefinitions fit this version of Tenure.

    Raises:
        ServerAwayError: the API server doesn't answer.
        StartRefusedError: a CRD is missing or older than this code.
    """
    server = cluster.connection.server
    try:
        await _ask_all(lambda kind: _check_definition(cluster, kind.plural, custom_resource_definition(kind)), KINDS)
    except KindNotServedError as error:
        raise StartRefusedError(
            f"{server} isn't a Kubernetes API server ({error}). Check the server's URL in your kubeconfig"
        ) from error
    except UnauthorizedError as error:
        raise StartRefusedError(
            f"the API server at {server} rejects this process's credentials ({error}). Check the user in your "
            "kubeconfig, or the pod's ServiceAccount token"
        ) from error
    except UnavailableError as error:
        raise ServerAwayError(f"the API server at {server} doesn't answer: {error}") from error


async def _check_definition(cluster: Cluster, plural: str, wanted: Mapping[str, Any]) -> None:
    name = f"{plural}.{GROUP}"
    try:
        served = await cluster.read(f"{_CRDS}/{name}")
    except ObjectNotFoundError as error:
        raise StartRefusedError(f"CustomResourceDefinition {name} is missing. Install it: {_APPLY}") from error
    except ForbiddenError as error:
        raise _missing(
            [_describe("", right, verb) for right in DEFINITIONS if right.name == name for verb in right.verbs]
        ) from error
    missing = sorted(requirements(_schema(wanted)) - requirements(_schema(served)))
    if missing:
        raise StartRefusedError(
            f"CustomResourceDefinition {name} is older than this version of Tenure. It lacks {missing[0]}"
            f"{f' and {len(missing) - 1} more' if missing[1:] else ''}. {_remedy(served)}"
        )


def _remedy(served: Mapping[str, Any]) -> str:
    """Return the command that updates a definition, which is `helm upgrade` if a Helm release installed it."""
    annotations = served["metadata"].get("annotations") or {}
    release = annotations.get("meta.helm.sh/release-name")
    if release is None:
        return f"Update it: {_APPLY}"
    namespace = annotations.get("meta.helm.sh/release-namespace", "tenure-system")
    return (
        f"You installed it with Helm, so update it with: helm upgrade {release} helm/tenure --namespace {namespace} "
        "--reset-then-reuse-values --set crds.enabled=true"
    )


def _schema(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    for version in definition["spec"]["versions"]:
        if version["name"] == VERSION:
            schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
            return schema
    return {}


async def _check_rights(
    cluster: Cluster,
    program: Component,
    met: Collection[When],
    namespaces: Sequence[str] = (),
    system_namespace: str = "",
) -> None:
    where = {Place.CLUSTER: [""], Place.SERVED: namespaces or [""], Place.SYSTEM: [system_namespace]}
    questions = [
        (namespace, right, verb)
        for group in groups_of(program)
        if group.asked and group.when in met
        for namespace in where[group.place]
        for right in group.rights
        for verb in right.verbs
    ]
    answers = await _ask_all(lambda question: is_allowed(cluster, *question), questions)
    missing = [_describe(*question) for question, allowed in zip(questions, answers, strict=True) if not allowed]
    if missing:
        raise _missing(missing)


def _missing(rights: Sequence[str]) -> StartRefusedError:
    return StartRefusedError(
        f"missing rights: {'; '.join(rights)}. Grant them to the user or ServiceAccount that this process runs as. "
        "If you installed Tenure with Helm, run helm upgrade"
    )


def _describe(namespace: str, right: Right, verb: str) -> str:
    """Describe a right for people, e.g. `patch apikeys.tenure.dev/status in namespace acme`."""
    where = f"in namespace {namespace}" if namespace else "in the whole cluster"
    group = f".{right.group}" if right.group else ""
    name = f" named {right.name}" if right.name else ""
    return f"{verb} {right.resource}{group}{right.label[len(right.resource) :]}{name} {where}"


async def _ask_all(ask: Callable[[Q], Awaitable[A]], questions: Sequence[Q]) -> list[A]:
    """Ask the questions, a few at a time, and return the answers in their order.

    Raises:
        Exception: the first one in that order, not in time, so that the same fault always gives the same message.
    """
    answers: list[A] = []
    for first in range(0, len(questions), _AT_ONCE):
        some = questions[first : first + _AT_ONCE]
        for answer in await asyncio.gather(*map(ask, some), return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            answers.append(answer)
    return answers
