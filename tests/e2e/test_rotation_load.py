"""Both tokens of a key are checked all the time while the key is rotated: none is rejected or accepted wrongly."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from support.cluster.world import World
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.load.checks import Check, Checks, first
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.soak import Figure, size
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

ROTATIONS, AT_ONCE = size(short=(2, 2), soak=(100, 5))
RATE = 1000.0
OVERLAP = size(short=4, soak=6)
MARGIN = OVERLAP / 2
"""Seconds before its end at which a former token has to be known as such, to count as a witness of its end."""
SEEN = 20
"""Answers about the new token before it may be promoted."""


class Rotated:
    """A key that is rotated once: its tokens, and when what happened."""

    def __init__(self, world: World, name: str, old: Token) -> None:
        self.world, self.name, self.old = world, name, old
        self.new: Token | None = None
        self.promoted_at = 0.0
        self.ends_at = 0.0
        self.revoking_at = self.revoked_at = 0.0
        secret = world.api.get("secrets", name)
        assert secret is not None
        self.secret = secret["metadata"]["uid"]

    def begin(self) -> None:
        """Ask for the rotation."""
        self.world.change_key(self.name, rotation={"request": 1, "overlap": f"{OVERLAP}s"})

    def look(self) -> list[Token]:
        """Read the Secret, and return the tokens that are to be checked from now on."""
        token = self.world.token(self.name)
        assert token is not None, "there is no moment without a Secret"
        if token != self.old:
            self.new = token
        former = self.world.key(self.name)["status"].get("previous")
        if former is not None:
            self.ends_at = datetime.fromisoformat(former["endsAt"]).timestamp()
        return [self.old] if self.new is None else [self.old, self.new]

    def revoke(self) -> None:
        """Revoke its new token, which tells how long the verifier's watch takes."""
        self.revoking_at = time.time()
        self.world.change_key(self.name, revision=2)
        self.revoked_at = time.time()


class Site:
    """An operator whose last write of each rotation waits until the new token was checked, and a verifier."""

    def __init__(self, world: World, verifier: VerifierProcess, checks: Checks) -> None:
        self.world, self.verifier, self.checks = world, verifier, checks
        self.keys: dict[str, Rotated] = {}

    async def hold(self, request: Request) -> Answer:
        """Hold a promotion back for a moment in which the Secret has the new token and the status has the old one."""
        key = self._promoted(request)
        deadline = time.monotonic() + OVERLAP - MARGIN
        while key is not None and time.monotonic() < deadline:
            if key.new is not None and len(self.checks.answers[key.new.key_id]) >= SEEN:
                break
            await asyncio.sleep(0.01)
        return None

    async def note(self, request: Request, reply: Reply) -> Answer:
        """Note when a promotion was stored."""
        key = self._promoted(request)
        if key is not None and reply.status < 300:
            key.promoted_at = time.time()
        return None

    def _promoted(self, request: Request) -> Rotated | None:
        """The key whose new token a write makes the present one."""
        key = self.keys.get(request.name)
        if key is None or key.promoted_at or request.resource != "apikeys/status" or not request.is_write:
            return None
        return key if (request.json.get("status") or {}).get("previous") else None


@pytest.fixture
def site(control_plane: ControlPlane, world: World, tmp_path: Path) -> Iterator[Site]:
    """Give an operator behind a proxy, and a verifier under load."""
    served = f"--namespace={world.api.namespace}"
    with (
        VerifierProcess(control_plane.kubeconfig, tmp_path / "verifier.log", served) as verifier,
        Proxy(control_plane) as proxy,
        OperatorProcess(proxy.kubeconfig(tmp_path / "proxy.kubeconfig"), tmp_path / "operator.log", served),
        Checks(verifier.port, rate=RATE) as checks,
    ):
        site = Site(world, verifier, checks)
        proxy.on_request, proxy.on_response = site.hold, site.note
        yield site


@pytest.mark.soak
def test_no_check_of_either_token_is_wrong_while_keys_are_rotated(site: Site, figure: Figure) -> None:
    names = [f"key-{number}" for number in range(ROTATIONS)]
    site.world.create(organization(keys={"maxPerMember": ROTATIONS}), member("alice"))
    site.world.create(*(api_key(name, "alice") for name in names))
    tokens = site.world.issue(*names, within=60)
    site.keys = {name: Rotated(site.world, name, tokens[name]) for name in names}
    keys = list(site.keys.values())
    for number in range(0, ROTATIONS, AT_ONCE):
        rotate(site, keys[number : number + AT_ONCE])
    asked = sum(map(len, site.checks.answers.values()))
    delays = [one.answered - key.revoked_at for key in keys if (one := first_after_revocation(site, key))]
    figure(f"{ROTATIONS} rotations, {asked:,} checks, {site.checks.per_second:,.0f} a second")
    figure(f"watch delay: {1000 * sorted(delays)[len(delays) // 2]:.0f} ms half, {1000 * max(delays):.0f} ms at most")

    assert [found for key in keys for found in rejections(site, key)] == []
    witnesses = [key for key in keys if key.promoted_at < key.ends_at - MARGIN / 2]
    late = {key.name: acceptances(site, key) for key in witnesses}
    figure(f"accepted after the end: {sum(map(len, late.values()))}, {len(witnesses)} former tokens looked at")
    assert witnesses, "the machine is so slow that each rotation took as long as the overlap"
    assert {name for name, found in late.items() if found} == set()
    for key in keys:
        assert key.new is not None
        assert len(site.checks.answers[key.new.key_id]) >= SEEN
    check_secrets_and_events(site, keys)


def rotate(site: Site, group: Sequence[Rotated]) -> None:
    """Rotate keys under load, until the former tokens have ended and the new ones are revoked."""
    site.checks.ask_about(*(key.old for key in group))
    for key in group:
        eventually(partial(is_checked, site, key.old), within=30, describe="it is checked")
        key.begin()

    def is_over() -> bool:
        site.checks.ask_about(*(token for key in group for token in key.look()))
        return all(key.ends_at and time.time() > key.ends_at + 1 for key in group)

    eventually(is_over, within=90, every=0.01, describe="the former tokens have ended")
    for key in group:
        key.revoke()
    for key in group:
        eventually(partial(first_after_revocation, site, key), within=30, describe="the new token is rejected")


def is_checked(site: Site, token: Token) -> bool:
    """Whether an answer about a token came."""
    return bool(site.checks.answers[token.key_id])


def first_after_revocation(site: Site, key: Rotated) -> Check | None:
    """Return the first check that found the new token revoked."""
    assert key.new is not None
    return first(
        site.checks.answers[key.new.key_id], lambda check: check.asked >= key.revoked_at and check.code != "Valid"
    )


def rejections(site: Site, key: Rotated) -> list[tuple[str, str]]:
    """Return the answers that rejected a token that was valid."""
    assert key.new is not None
    old = [check for check in site.checks.answers[key.old.key_id] if check.answered < key.ends_at]
    new = [check for check in site.checks.answers[key.new.key_id] if check.answered < key.revoking_at]
    return [
        (f"{key.name}, {which}", check.code)
        for which, found in (("former", old), ("new", new))
        for check in found
        if check.code != "Valid"
    ]


def acceptances(site: Site, key: Rotated) -> list[float]:
    """Return how long after its end the former token was accepted, for each such answer."""
    checks = site.checks.answers[key.old.key_id]
    assert [check for check in checks if check.asked > key.ends_at], "it was asked about after its end"
    return [check.asked - key.ends_at for check in checks if check.asked > key.ends_at and check.code == "Valid"]


def check_secrets_and_events(site: Site, keys: Sequence[Rotated]) -> None:
    """Each Secret was changed in place, and an Event names the new token."""
    notes = " ".join(event["note"] for event in site.world.events("Rotated"))
    for key in keys:
        secret = site.world.api.get("secrets", key.name)
        assert secret is not None
        assert secret["metadata"]["uid"] == key.secret, "it is changed in place"
        assert key.new is not None
        assert key.new.key_id in notes
