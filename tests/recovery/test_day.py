"""A day in small with thousands of keys: issue, rotate, role changes, crashes, the API server away, and a restore.

In the end a program that only reads compares everything that is stored with the invariants.
"""

import base64
import json
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cluster.identity import CONTROLLER, VERIFIER, config_of
from support.load.day import Day, as_rows
from support.programs.operator_process import OperatorProcess
from support.programs.replicas import short_lease
from support.programs.revocation import Caller, server_time
from support.programs.verifier_process import VerifierProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from support.run.soak import Figure, day_keys, seed
from tenure.domain.resources.base import format_time
from tenure.domain.tokens import Token
from tenure_dev import kubeconfig, webhooks
from tenure_dev.build import find_or_build
from tenure_dev.chart import NAMESPACE
from tenure_dev.controlplane import ControlPlane
from tenure_dev.invariants.judge import summary
from tenure_dev.invariants.read import RIGHTS, find_violations, read
from tenure_dev.invariants.stored import Stored, name_of
from tenure_dev.kubectl import Kubectl
from tenure_dev.paths import CHECKOUT, CRDS

KEYS = day_keys()
PATIENCE = 120 + KEYS / 10
AWAY_SECONDS = 20.0
SAMPLE = 200
TOKEN = re.compile(r"tnr_[0-9A-Za-z]{12}_[0-9A-Za-z_]{38}")

Hashes = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Installation:
    """A cluster and all parts of Tenure. Two operators elect one that works."""

    plane: ControlPlane
    operators: tuple[OperatorProcess, OperatorProcess]
    webhook: WebhookProcess
    verifier: VerifierProcess
    reader: Kubectl
    day: Day

    def settle(self, *, untouched: bool = False, evening: bool = True) -> Stored:
        """Wait until every key is as it should be, and check the invariants. Return what is stored."""
        expected = sorted(self.day.expected(untouched=untouched, evening=evening))
        valid = sum(reason == "Issued" for _, _, reason, _, _ in expected)
        found: list[Stored] = []

        def is_counted() -> bool:
            self.repair()
            assert (counted := self.day.valid()) == valid, f"{counted} keys are valid"
            return True

        def is_settled() -> bool:
            self.repair()
            found[:] = [read(self.reader)]
            differing = set(as_rows(found[0].keys)) ^ set(expected)
            assert not differing, f"{len(differing)} keys aren't as expected, such as {sorted(differing)[:3]}"
            return True

        eventually(is_counted, within=PATIENCE, every=1, describe=f"{valid} valid keys")
        eventually(is_settled, within=PATIENCE, every=2, describe="every key is as it should be")
        eventually(self.keeps_invariants, within=60, every=2, describe="all invariants hold")
        return found[0]

    def repair(self) -> None:
        """Start again what has exited, as the kubelet does: an operator that can't renew its Lease exits."""
        for program in self.programs:
            if not program.running:
                program.start(ready=False)

    @property
    def programs(self) -> Sequence[OperatorProcess]:
        return (*self.operators, self.webhook, self.verifier)

    def keeps_invariants(self) -> bool:
        found = find_violations(self.reader)
        assert not found, summary(found)
        return True

    def check_verdicts(self, valid: list[str], ended: list[str]) -> None:
        """Check what the verifier says of tokens that work, and of tokens that ended."""

        def agrees() -> bool:
            wrong = [token for token in valid if not self.verifier.verify(token)["valid"]]
            wrong += [token for token in ended if self.verifier.verify(token)["valid"]]
            assert not wrong, f"{len(wrong)} of {len(valid) + len(ended)} verdicts are wrong"
            return True

        eventually(agrees, within=60, every=1, describe="the verifier says what is stored")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        plane = stack.enter_context(ControlPlane.start(find_or_build(), tmp_path / "plane", crds=CRDS))
        plane.kubectl("apply", "--server-side", "--filename", str(CHECKOUT / "manifests" / "roles.yaml"))
        port = webhooks.install(plane)
        webhook = stack.enter_context(WebhookProcess(plane.kubeconfig, tmp_path / "webhook.log", port))
        elected = ("--leader-election", "--system-namespace", NAMESPACE, "--lease-duration", str(short_lease()))
        config = config_of(plane, CONTROLLER)
        first, second = (
            stack.enter_context(OperatorProcess(config, tmp_path / f"{name}.log", "--no-webhooks", *elected))
            for name in ("first", "second")
        )
        verifier = stack.enter_context(VerifierProcess(config_of(plane, VERIFIER), tmp_path / "verifier.log"))
        reader = Kubectl(plane.binaries.kubectl, reader_config(plane), tmp_path)
        yield Installation(plane, (first, second), webhook, verifier, reader, Day(plane, KEYS))


def reader_config(plane: ControlPlane) -> Path:
    """The kubeconfig of somebody who may list Tenure's objects and Secrets, and nothing else."""
    metadata = {"name": "invariants", "namespace": NAMESPACE}
    rbac, reference = "rbac.authorization.k8s.io", {"kind": "ClusterRole", "name": "invariants"}
    subject = {"kind": "ServiceAccount", **metadata}
    bodies = (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": "invariants"}, "rules": RIGHTS},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "invariants"},
            "roleRef": {"apiGroup": rbac, **reference},
            "subjects": [subject],
        },
    )
    for body in bodies:
        plane.kubectl("apply", "--filename=-", input=json.dumps(body))
    token = plane.kubectl("create", "token", "invariants", f"--namespace={NAMESPACE}", "--duration=12h").stdout.strip()
    path = plane.folder / "invariants.kubeconfig"
    return kubeconfig.write(path, plane.server, authority=plane.certificate_authority, token=token)


@pytest.mark.soak(only=True)
@pytest.mark.timeout(0)
def test_a_day_in_small_ends_with_all_invariants(installation: Installation, tmp_path: Path, figure: Figure) -> None:
    plane, day = installation.plane, installation.day
    began = time.monotonic()
    figure(f"{KEYS} keys in {len(day.sites)} namespaces created in {day.all(lambda site: site.populate()):.0f} s")
    issued = installation.settle(untouched=True)
    figure(f"all issued after {time.monotonic() - began:.0f} s")
    plane.save_etcd(tmp_path / "snapshot")

    seconds = in_the_meantime(lambda: day.all(lambda site: site.morning()), lambda: restart_parts(installation))
    morning = installation.settle(evening=False)
    figure(f"roles, rotations, revisions, deletions while each part was killed: {seconds:.0f} s")
    check_untouched(issued, morning, edited={0, 1})

    seconds = in_the_meantime(lambda: day.all(lambda site: site.evening()), lambda: send_away(plane))
    evening = installation.settle()
    figure(f"rotations and revisions while the API server was away for {AWAY_SECONDS:.0f} s: {seconds:.0f} s")
    check_untouched(morning, evening, edited={5, 6})
    check_tokens(installation, issued, evening)
    assert versions(read(installation.reader)) == versions(evening)

    began = time.monotonic()
    plane.restore_etcd(tmp_path / "snapshot")
    day.all(lambda site: site.morning())
    day.all(lambda site: site.evening())
    restored = installation.settle()
    figure(f"restored from a snapshot, and the day repeated: {time.monotonic() - began:.0f} s")
    revoke_site(installation, restored)
    for program in installation.programs:
        assert not TOKEN.search(program.log)
        figure(f"{program.log_path.stem}: {resident_mb(program):.0f} MB")


def in_the_meantime(work: Callable[[], float], disturb: Callable[[], object]) -> float:
    """Work in a thread of its own, disturb that meanwhile, and return the seconds that the work took.

    Programs die with the thread that starts them, so the main thread disturbs.
    """
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        disturb()
        return working.result()


def restart_parts(installation: Installation) -> None:
    """Kill each part in turn, and start it again."""
    for program in (installation.operators[0], installation.verifier, installation.webhook, installation.operators[1]):
        program.kill()
        program.start(within=PATIENCE)


def send_away(plane: ControlPlane) -> None:
    """Stop the API server for a while. Its clients find nobody at its address."""
    plane.stop_apiserver()
    time.sleep(AWAY_SECONDS)  # It is away for so long, whatever happens meanwhile.
    plane.start_apiserver()


def hashes(stored: Stored) -> Hashes:
    return {name_of(key): key["status"].get("hash", "") for key in stored.keys}


def check_untouched(before: Stored, after: Stored, *, edited: set[int]) -> None:
    """Check that no key has another token than before, but for those that were edited."""
    old, new = hashes(before), hashes(after)
    for name, token_hash in new.items():
        is_edited = int(name[1].removeprefix("key-")) % 10 in edited
        assert (token_hash != old[name]) is is_edited, f"{name}: {old[name]}, and then {token_hash}"


def tokens_of(stored: Stored) -> dict[str, str]:
    """Tokens by hash."""
    texts = (base64.b64decode(secret["data"]["token"]).decode() for secret in stored.secrets)
    return {Token(text).hash: text for text in texts}


def check_tokens(installation: Installation, before: Stored, after: Stored) -> None:
    """Ask the verifier about a sample of the tokens of the morning and of the evening."""
    chance = random.Random(seed())
    old, new = tokens_of(before), tokens_of(after)
    works = {
        token_hash
        for key in after.keys
        if key["status"]["conditions"][0]["status"] == "True" or "previous" in key["status"]
        for token_hash in (key["status"]["hash"], key["status"].get("previous", {}).get("hash"))
    }
    valid = [text for token_hash, text in {**old, **new}.items() if token_hash in works]
    ended = [text for token_hash, text in {**old, **new}.items() if token_hash not in works]
    installation.check_verdicts(*(chance.sample(texts, min(SAMPLE, len(texts))) for texts in (valid, ended)))


def revoke_site(installation: Installation, stored: Stored) -> None:
    """Revoke all tokens of one namespace, as the page on restores says."""
    plane, site = installation.plane, installation.day.sites[0]
    scope = ("--issued-before", format_time(server_time(plane)), f"--namespace={site.namespace}", "--yes")
    Caller(plane.kubeconfig).results(*scope)
    ended = [secret for secret in stored.secrets if secret["metadata"]["namespace"] == site.namespace]
    texts = list(tokens_of(Stored([], [], [], ended, stored.now)).values())
    installation.check_verdicts([], texts[:SAMPLE])
    eventually(installation.keeps_invariants, within=PATIENCE, every=2, describe="all invariants hold")


def versions(stored: Stored) -> dict[tuple[str, str], str]:
    """The resourceVersions of all keys. A write changes one."""
    return {name_of(key): key["metadata"]["resourceVersion"] for key in stored.keys}


def resident_mb(program: OperatorProcess) -> float:
    status = Path(f"/proc/{program.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]
