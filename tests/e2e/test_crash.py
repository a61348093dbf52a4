"""An operator that is killed at any one of its writes ends, once it is started again, where it would have ended.

A killed process leaves nothing behind but what the API server stored, so "before the n-th write" is the same state as
"after the one before it": each flow is cut before its first write and after each of its writes, until it has no more.
`make test` cuts it after a few of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from support.cluster.state import counts, key_state, state
from support.cluster.world import Body, World
from support.faults.crashes import SLOWLY, WITHIN, CrashSite, Victim
from support.objects.manifests import api_key, marked, member, organization
from support.run.eventually import eventually
from support.run.soak import Figure, size
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

TRACKED = {"argocd.argoproj.io/tracking-id": "acme:tenure.dev/ApiKey:acme/kept"}


@dataclass(frozen=True)
class Flow:
    """Something that the operator does in several writes.

    Attributes:
        before: The objects that are there, and reconciled, when it begins.
        change: What makes it begin.
        after: The state in which it ends.
        writes: How many it is expected to take; where it takes more, the test takes another round.
        ended: The keys whose tokens it ends.
        at_start: Whether the change is made while the operator is stopped, so that it meets it at its start.
    """

    before: tuple[Body, ...]
    change: Callable[[World], object]
    after: Body
    writes: int
    ended: tuple[str, ...] = ()
    at_start: bool = False


def change_role(world: World) -> None:
    world.change_role("alice", "Viewer")


def change_role_and_approve(world: World) -> None:
    world.change_role("alice", "Viewer")
    world.change_key("laptop", forRole="Viewer")


ROLE_CHANGE = Flow(
    before=(
        *(organization(), member("alice"), member("bob"), api_key("bobs", "bob"), api_key("plain", "alice")),
        marked(api_key("kept", "alice"), annotations=TRACKED),
    ),
    change=change_role,
    after={
        "keys": {"bobs": "Issued: Member 1, revision 1", "kept": "RoleChanged"},
        "secrets": {"bobs"},
        "listed": {"alice": set(), "bob": {"bobs"}},
        "counts": counts(valid=1, ended=1),
        "record": {"from": "Member", "to": "Viewer", "kept": "Revoked", "plain": "Deleted"},
        "events": {"Membership": 1, "Organization": 1},
    },
    writes=8,
    ended=("plain", "kept"),
)
ROLE_CHANGE_AT_START = replace(ROLE_CHANGE, writes=11, at_start=True)
ISSUE = Flow(
    before=(organization(), member("alice")),
    change=lambda world: world.create(api_key("laptop", "alice")),
    after={
        "keys": {"laptop": "Issued: Member 1, revision 1"},
        "secrets": {"laptop"},
        "listed": {"alice": {"laptop"}},
        "counts": counts(valid=1),
        "record": {},
        "events": {},
    },
    writes=4,
)
FOR_ROLE = Flow(
    before=(organization(), member("alice"), api_key("laptop", "alice", forRole="Member")),
    change=change_role_and_approve,
    after={
        **ISSUE.after,
        "keys": {"laptop": "Issued: Viewer 2, revision 1"},
        "record": {"from": "Member", "to": "Viewer", "laptop": "Reissued"},
        "events": {"Membership": 1, "Organization": 1},
    },
    writes=10,
    ended=("laptop",),
    at_start=True,
)
REVISION = Flow(
    before=(organization(), member("alice"), api_key("laptop", "alice")),
    change=lambda world: world.change_key("laptop", revision=2),
    after={**ISSUE.after, "keys": {"laptop": "Issued: Member 1, revision 2"}},
    writes=4,
    ended=("laptop",),
)
ROTATION = Flow(
    before=(organization(), member("alice"), api_key("laptop", "alice")),
    change=lambda world: world.change_key("laptop", rotation={"request": 1}),
    after={
        **ISSUE.after,
        "keys": {"laptop": "Issued: Member 1, revision 1, token 2 beside its former one"},
        "events": {"ApiKey": 1},
    },
    writes=5,
)
OVER_THE_LIMIT = Flow(
    before=(organization(keys={"maxPerMember": 1}), member("alice"), api_key("laptop", "alice")),
    change=lambda world: world.create(api_key("second", "alice")),
    after={
        **ISSUE.after,
        "keys": {"laptop": "Issued: Member 1, revision 1", "second": "QuotaExceeded"},
        "counts": {**counts(valid=1), "waiting": 1},
        "events": {"ApiKey": 1},
    },
    writes=4,
)
EXPIRY = Flow(
    before=(organization(), member("alice"), api_key("laptop", "alice")),
    change=lambda world: world.change_key("laptop", expiresAt="2026-01-01T00:00:00Z"),
    after={
        "keys": {"laptop": "Expired"},
        "secrets": set(),
        "listed": {"alice": set()},
        "counts": counts(ended=1),
        "record": {},
        "events": {"ApiKey": 1},
    },
    writes=5,
    ended=("laptop",),
)


@dataclass(frozen=True)
class Case:
    """A victim, the tokens that stood in Secrets when it died, and those that must never work again."""

    victim: Victim
    at_death: dict[str, Token]
    dead: tuple[Token, ...]

    @property
    def world(self) -> World:
        return self.victim.world


@pytest.fixture
def site(control_plane: ControlPlane, tmp_path: Path) -> Iterator[CrashSite]:
    with CrashSite(control_plane, tmp_path) as site:
        yield site


@pytest.mark.soak
@pytest.mark.parametrize(
    "flow",
    [
        pytest.param(ROLE_CHANGE, id="role change"),
        pytest.param(ROLE_CHANGE_AT_START, id="role change seen at the start"),
        pytest.param(ISSUE, id="issue"),
        pytest.param(FOR_ROLE, id="forRole reissue"),
        pytest.param(REVISION, id="revision"),
        pytest.param(ROTATION, id="rotation"),
        pytest.param(OVER_THE_LIMIT, id="over the limit"),
        pytest.param(EXPIRY, id="expiry"),
    ],
)
def test_killed_at_any_write_it_ends_where_it_would_have_ended(site: CrashSite, flow: Flow, figure: Figure) -> None:
    killed = 0
    for writes in size(short=[a_few(flow)], soak=all_of(flow)):
        cases = cut(site, flow, writes)
        uncut = [case for case in cases if case.victim.alive]
        killed += len(cases) - len(uncut)

        recover(site, cases, lambda case: state(case.world) == flow.after)

        for case in cases:
            assert_the_key_has_its_secrets_token(case)
            assert_the_record_names_the_dead_tokens(case)
            survivors = [token for token in case.victim.tokens.values() if token not in case.dead]
            assert {case.world.verdict(token) for token in survivors} <= {"Valid"}
            for name, token in case.at_death.items():
                if token not in case.victim.tokens.values():
                    assert case.world.token(name) == token, "what was in the Secret is adopted"
        if uncut:
            break
    figure(f"killed at {killed} writes")


def all_of(flow: Flow) -> Iterable[Sequence[int]]:
    """The writes, a round at a time, and one more, without end."""
    at_once = flow.writes + 2  # Before the first write, after each one, and not at all.
    return (range(first, first + at_once) for first in count(step=at_once))


def a_few(flow: Flow) -> Sequence[int]:
    """After the first ones, of which nothing else tells yet, in the middle, and before the last one."""
    return sorted({1, 2, flow.writes // 2, flow.writes - 1})


def cut(site: CrashSite, flow: Flow, writes: Sequence[int]) -> list[Case]:
    """Let a flow run several times, each time cut after so many writes; return when each is over."""
    victims = site.victims([flow.before for _ in writes])
    aims = [partial(victim.kill_at_write, number) for victim, number in zip(victims, writes, strict=True)]
    run(site, victims, flow, aims)

    def over() -> bool:
        return all(not victim.alive or state(victim.world) == flow.after for victim in victims)

    eventually(over, within=WITHIN, every=SLOWLY, describe="each is killed, or has done its last write")
    cases = [Case(one, tokens_in(one.world), tuple(one.tokens[name] for name in flow.ended)) for one in victims]
    assert not [token for case in cases for token in case.dead if case.world.verdict(token) == "Valid"]
    return cases


def run(site: CrashSite, victims: Sequence[Victim], flow: Flow, aims: Sequence[Callable[[], None]]) -> None:
    """Aim at each victim, and make the change that the flow begins with."""
    if flow.at_start:
        site.operator.stop(within=WITHIN)
    for victim, aim in zip(victims, aims, strict=True):
        aim()
        flow.change(victim.world)
    if flow.at_start:
        site.operator.start(ready=False)


def all_killed(victims: Sequence[Victim]) -> bool:
    return not any(victim.alive for victim in victims)


def recover(site: CrashSite, cases: Sequence[Case], ended: Callable[[Case], bool]) -> None:
    """Start one operator for all and wait until each has `ended`; no dead token may work at any moment."""
    revived: list[Token] = []
    pending = list(cases)

    def over() -> bool:
        for case in list(pending):
            revived.extend(token for token in case.dead if case.world.verdict(token) == "Valid")
            if ended(case):
                pending.remove(case)
        return not pending

    operator = site.start_after_crash()
    eventually(over, within=WITHIN, every=SLOWLY, describe="each has reached its end")
    operator.stop(within=WITHIN)
    pending = list(cases)
    assert over()
    assert revived == []


def tokens_in(world: World) -> dict[str, Token]:
    """Return the tokens that stand in Secrets, by name."""
    found = {body["metadata"]["name"]: world.token(body["metadata"]["name"]) for body in world.api.list("secrets")}
    return {name: token for name, token in found.items() if token is not None}


def assert_the_key_has_its_secrets_token(case: Case) -> None:
    """Check that the living keys and the Secrets are the same, and agree on the token."""
    keys = {key["metadata"]["name"]: key for key in case.world.api.list("apikeys")}
    living = {name: key["status"]["hash"] for name, key in keys.items() if key_state(key).startswith("Issued")}
    tokens = tokens_in(case.world)
    assert {name: token.hash for name, token in tokens.items()} == living
    assert {case.world.verdict(token) for token in tokens.values()} <= {"Valid"}


def assert_the_record_names_the_dead_tokens(case: Case) -> None:
    """Check that the record of the role change, if there is one, names each token that it ended."""
    record = case.world.member("alice")["status"].get("lastRoleChange")
    if record is not None:
        assert {key["keyId"] for key in record["keys"]} == {token.key_id for token in case.dead}


OUTAGES: dict[str, tuple[Flow, tuple[str, ...], str]] = {
    "issue, away": (ISSUE, ("Viewer",), "Issued: Viewer 2, revision 1"),
    "issue, there and back": (ISSUE, ("Viewer", "Member"), "Issued: Member 3, revision 1"),
    "revision, away": (REVISION, ("Viewer",), "Issued: Viewer 2, revision 2"),
    "revision, there and back": (REVISION, ("Viewer", "Member"), "Issued: Member 3, revision 2"),
    "forRole, away": (FOR_ROLE, ("Analyst",), "RoleMismatch"),
    "forRole, there and back": (FOR_ROLE, ("Analyst", "Viewer"), "Issued: Viewer 4, revision 1"),
}
"""What was cut between the new Secret and the status, the roles during the outage, and how the key ends."""


def test_a_role_change_after_a_crash_between_secret_and_status_ends_that_token(site: CrashSite) -> None:
    flows = [flow for flow, _, _ in OUTAGES.values()]
    victims = site.victims([flow.before for flow in flows])
    for flow in (ISSUE, REVISION, FOR_ROLE):
        group = [victim for victim, its_flow in zip(victims, flows, strict=True) if its_flow is flow]
        run(site, group, flow, [victim.kill_between_secret_and_status for victim in group])
        eventually(partial(all_killed, group), within=WITHIN, describe="all are killed")

    cases = [strand(victim) for victim in victims]
    for case, (_, roles, _) in zip(cases, OUTAGES.values(), strict=True):
        for role in roles:
            case.world.change_role("alice", role)
    ends = {id(case): end for case, (_, _, end) in zip(cases, OUTAGES.values(), strict=True)}

    def ended(case: Case) -> bool:
        end, holds_token = ends[id(case)], case.world.token("laptop") is not None
        return key_state(case.world.key("laptop")) == end and holds_token == end.startswith("Issued")

    recover(site, cases, ended)

    for case in cases:
        assert_the_key_has_its_secrets_token(case)
        assert case.world.token("laptop") not in case.dead


def strand(victim: Victim) -> Case:
    """Return the case of a victim that has left a new token in the Secret, which its key's status doesn't know."""
    at_death = tokens_in(victim.world)
    stranded = at_death["laptop"]
    assert stranded.hash != victim.world.key("laptop")["status"].get("hash")
    return Case(victim, at_death, (stranded, *victim.tokens.values()))
