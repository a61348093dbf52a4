"""Keeping a certificate valid, on a clock that jumps: whatever is served is trusted, whoever comes and goes."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import cast

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from support.api.handshakes import served
from support.objects.truststore import HOST, TrustStore
from tenure.certificates.own_authority import OwnAuthority
from tenure.kube.cluster import Cluster

BEGINNING = datetime(2027, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(seconds=60)
HOUR = timedelta(hours=1)
QUARTER = timedelta(days=90)
PROPAGATION = timedelta(seconds=4)
"""How long an API server takes to learn of a change to the configuration."""


class Simulation:
    """Some replicas, each of which looks when it is due, give or take."""

    def __init__(self, seed: int = 1) -> None:
        self.store = TrustStore(BEGINNING)
        self.replicas: list[OwnAuthority] = []
        self.renewals = 0
        self._random = Random(seed)
        self._due: list[datetime] = []
        self._served: list[x509.Certificate] = []

    @property
    def now(self) -> datetime:
        return self.store.now

    async def join(self, life: timedelta) -> OwnAuthority:
        """Start a replica, whose certificates live so long."""
        keeper = OwnAuthority(cast("Cluster", self.store), "tenure-system", [HOST], life, now=lambda: self.store.now)
        assert await keeper.look()
        self.replicas.append(keeper)
        self._served.append(certificate_of(keeper))
        self._due.append(self.now + timedelta(seconds=keeper.pause))
        self.store.now += PROPAGATION
        return keeper

    def leave(self) -> None:
        """Stop the oldest replica."""
        self.replicas.pop(0)
        self._due.pop(0)
        self._served.pop(0)

    async def run(self, length: timedelta) -> None:
        """Let time pass, and see at each look that all that is served is trusted."""
        end = self.now + length
        while (moment := min(self._due)) < end:
            number = self._due.index(moment)
            self.store.now = moment
            if await self.replicas[number].look():
                self.renewals += 1
                self._served[number] = certificate_of(self.replicas[number])
            late = self._random.uniform(1.0, 1.2)
            self._due[number] = moment + timedelta(seconds=self.replicas[number].pause * late)
            self.check()
        self.store.now = end
        self.check()

    def check(self) -> None:
        """Have a client that knows what the API server knows look at each replica's certificate."""
        known = self.store.trusted(self.now - PROPAGATION) or self.store.trusted(self.now)
        verifier = PolicyBuilder().store(Store(known)).time(self.now).build_server_verifier(x509.DNSName(HOST))
        for certificate in self._served:
            verifier.verify(certificate, [])

    @property
    def authorities(self) -> list[bytes]:
        """The certificates of the authorities in the Secret."""
        data = (self.store.secret or {}).get("data", {})
        return [base64.b64decode(data[name]) for name in ("ca.crt", "previous.crt") if name in data]


def certificate_of(keeper: OwnAuthority) -> x509.Certificate:
    return x509.load_der_x509_certificate(served(keeper.context))


@pytest.mark.parametrize("seed", range(3))
async def test_replicas_that_rotate_for_an_hour_are_trusted_all_the_time(seed: int) -> None:
    simulation = Simulation(seed)
    for _ in range(3):
        await simulation.join(MINUTE)
    first = simulation.authorities[0]

    await simulation.run(timedelta(hours=1))

    assert simulation.renewals >= 3 * 60 * 60 / 46
    assert first not in simulation.authorities


async def test_replicas_share_one_authority() -> None:
    simulation = Simulation()
    for _ in range(3):
        await simulation.join(MINUTE)
    assert len(simulation.authorities) == 1


CHANGES = {"from an hour to a quarter": (HOUR, QUARTER), "from a quarter to an hour": (QUARTER, HOUR)}


@pytest.mark.parametrize("lives", [pytest.param(lives, id=name) for name, lives in CHANGES.items()])
async def test_the_life_of_certificates_can_be_changed(lives: Sequence[timedelta]) -> None:
    simulation = Simulation()
    for _ in range(2):
        await simulation.join(lives[0])
    await simulation.run(HOUR)

    for _ in range(2):
        await simulation.join(lives[1])
        await simulation.run(MINUTE)
        simulation.leave()

    await simulation.run(6 * HOUR)


async def test_after_a_long_time_without_anybody_an_authority_is_made_anew() -> None:
    simulation = Simulation()
    await simulation.join(MINUTE)
    old = simulation.authorities
    simulation.leave()
    simulation.store.now += timedelta(days=1)

    await simulation.join(MINUTE)

    simulation.check()
    assert len(simulation.authorities) == 1
    assert simulation.authorities != old


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "type", ""], ids=["certificate", "key", "type", "all of it"])
async def test_an_authority_that_is_lost_is_replaced_and_what_it_signed_stays_trusted(name: str) -> None:
    simulation = Simulation()
    for _ in range(2):
        await simulation.join(QUARTER)
    old = simulation.authorities
    assert simulation.store.secret is not None
    if name == "type":
        simulation.store.secret["type"] = "tenure.dev/api-key"
    elif name:
        simulation.store.secret["data"][name] = base64.b64encode(b"nonsense").decode()
    else:
        simulation.store.secret = None

    await simulation.run(5 * MINUTE)

    assert len(simulation.authorities) == 2
    assert simulation.authorities[1:] == old
    assert simulation.renewals == 2


async def test_nothing_is_renewed_before_it_is_due() -> None:
    simulation = Simulation()
    keeper = await simulation.join(MINUTE)
    before = served(keeper.context)
    simulation.store.now = BEGINNING + MINUTE * 2 / 3 - timedelta(seconds=1)
    assert not await keeper.look()
    assert served(keeper.context) == before
    simulation.store.now += timedelta(seconds=1)
    assert await keeper.look()
    assert served(keeper.context) != before
