"""Wait until the operator has looked at everything: sweeps are seen by their lists, in the audit log or in a proxy."""

from collections.abc import Callable

from support.api.audit import Audit, Entry
from support.cluster.world import World
from support.faults.proxy import Proxy
from support.run.eventually import eventually
from tenure.kube.objects import PAGE_SIZE

USER_AGENT = "tenure"


def lists_in(audit: Audit, namespace: str) -> Callable[[], int]:
    """Count the operator's lists of ApiKeys in a namespace since `audit` was made."""
    return lambda: sum(
        entry.verb == "list"
        and entry.resource == "apikeys"
        and entry.namespace == namespace
        and entry.user_agent.startswith(USER_AGENT)
        for entry in audit.entries()
    )


def lists_through(proxy: Proxy) -> Callable[[], int]:
    """Count the sweeps' lists of ApiKeys that were asked of a proxy; Kopf, whose pages are smaller, lists too."""
    return lambda: sum(
        request.is_list and request.resource == "apikeys" and request.query.get("limit") == str(PAGE_SIZE)
        for request in (exchange.request for exchange in list(proxy.exchanges))
    )


def wait_sweeps(lists: Callable[[], int], count: int = 1, *, operators: int = 1, within: float = 60.0) -> None:
    """Wait for so many whole sweeps from now on, with the looks at each object that follow the lists.

    The first list from now may belong to a sweep that had begun before, and the looks at the objects are over when
    the list after the next one comes.
    """
    before, wanted = lists(), (count + 2) * operators
    eventually(lambda: lists() >= before + wanted, within=within, every=0.2, describe=f"{count} sweeps")


def check_quiet(world: World, audit: Audit, *, operators: int = 1, sweeps: int = 2) -> None:
    """Check that operators which sweep write nothing, once everything is written that follows from what happened.

    What the objects tell is waited for, and then for a sweep without a write, because an Event may still be on its way.
    """
    world.wait_rest(within=60)
    lists = lists_in(audit, world.api.namespace)

    def written() -> list[Entry]:
        return [entry for entry in audit.writes(user_agent=USER_AGENT) if entry.namespace == world.api.namespace]

    def is_quiet() -> bool:
        audit.reset()
        wait_sweeps(lists, operators=operators)
        return not written()

    eventually(is_quiet, within=30, describe="a sweep writes nothing")
    audit.reset()
    wait_sweeps(lists, sweeps, operators=operators)
    assert written() == []
