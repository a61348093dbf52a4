"""Minutes or hours of random edits while replicas of the operator are killed, stopped and frozen.

In the end every token's verdict is the one that follows from what is stored, no Secret is without its key, no key is
lost, and nothing is written any more.
"""

import re
import time
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.cluster.identity import VERIFIER, config_of
from support.cluster.world import World
from support.load.churn import Witness
from support.load.edits import Book, Edits
from support.programs.operator_process import OperatorProcess
from support.programs.replicas import Replicas
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.soak import Figure, edit_minutes, seed
from support.run.sweeps import check_quiet
from tenure_dev.invariants.judge import summary
from tenure_dev.invariants.read import find_violations

MINUTES = edit_minutes(short=0)
ROUNDS = 4
"""At least, so that each fault was there."""

TOKEN = re.compile(r"tnr_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


class Faults:
    """What becomes of a replica while edits are made; the other one goes on."""

    def __init__(self, replicas: Replicas) -> None:
        self.done: Counter[str] = Counter()
        self._replicas = (replicas.first, replicas.second)

    def nothing(self) -> None:
        self.done["nothing"] += 1

    def kill(self) -> None:
        self._with_one("killed").kill()

    def stop(self) -> None:
        self._with_one("stopped").stop()

    def freeze(self) -> None:
        self._with_one("frozen").pause()

    def repair(self) -> None:
        """Let both run again; one that was frozen for too long ends by itself."""
        for replica in self._replicas:
            if replica.running:
                replica.resume()
            else:
                replica.start()

    def _with_one(self, what: str) -> OperatorProcess:
        self.done[what] += 1
        return self._replicas[self.done.total() % 2]


@pytest.mark.soak
def test_whatever_is_edited_in_whatever_order_every_key_ends_as_it_should(
    world: World, replicas: Replicas, audit: Audit, tmp_path: Path, figure: Figure
) -> None:
    edits, book, faults, number = Edits(world, seed()), Book(world), Faults(replicas), 0
    kinds = cycle([faults.kill, faults.freeze, faults.stop, faults.nothing])
    figure(f"seed {seed()}")
    with VerifierProcess(config_of(replicas.plane, VERIFIER), tmp_path / "verifier.log") as verifier:
        replicas.start()
        edits.populate()
        with Witness(replicas.plane, world.api.namespace) as witness:
            began = time.monotonic()
            while faults.done.total() < ROUNDS or time.monotonic() < began + 60 * MINUTES:
                number += edits.burst()
                next(kinds)()
                number += edits.burst()
                book.collect()
                faults.repair()
                edits.lift_suspensions()
                book.wait_settled()
                check_keys(world, edits)
        minutes = (time.monotonic() - began) / 60
        figure(f"{number} edits in {minutes:.1f} min, {len(book.tokens)} tokens, replicas: {dict(faults.done)}")
        assert not witness.revived
        check_quiet(world, audit)
        check_invariants(world)
        check_verdicts(book, verifier)
        check_keys(world, edits)
        for log in (replicas.first.log, replicas.second.log, verifier.log):
            assert not TOKEN.search(log)


def check_invariants(world: World) -> None:
    """Check what is stored. No webhook keeps anybody from taking the last Owner's role here."""
    found = find_violations(world.api.plane.kubectl, world.api.namespace)
    found = [violation for violation in found if violation.invariant != "I-6"]
    assert not found, summary(found)


def check_keys(world: World, edits: Edits) -> None:
    """Check that no key is lost, and that none that was deleted is there."""
    present = {body["metadata"]["name"] for body in world.api.list("apikeys")}
    assert edits.kept <= present, edits.kept - present
    assert not edits.deleted & present


def check_verdicts(book: Book, verifier: VerifierProcess) -> None:
    """Check that of all tokens that there ever were the verifier calls those valid that `validity` does."""
    valid = book.valid_hashes()
    assert valid <= {token.hash for token in book.tokens}

    def agrees() -> bool:
        return {token.hash for token in book.tokens if verifier.verify(token)["valid"]} == valid

    eventually(agrees, within=30, describe="the verifier says what validity says of every token")
