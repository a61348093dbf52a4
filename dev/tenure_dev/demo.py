"""`make demo`: show on a real control plane which keys a role change revokes."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tenure.domain.resources.base import format_time
from tenure.domain.tokens import Token
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.demo_invitation import Letters, invite, receiving
from tenure_dev.errors import ToolError
from tenure_dev.paths import CHECKOUT, CRDS
from tenure_dev.program import Program
from tenure_dev.snapshot import Snapshot
from tenure_dev.stage import NAMESPACE, Demo
from tenure_dev.tenure import Tenure

SAMPLES = CHECKOUT / "manifests" / "samples"
LOGS = CHECKOUT / ".cache" / "demo"


def run_demo() -> None:
    """Run the demo. Raises `ToolError` with the reason and the path of the logs if a step fails."""
    console = Console(soft_wrap=False)
    binaries = find_or_build()
    began = time.monotonic()
    console.print("[bold]Tenure demo: which keys a role change revokes[/bold]", highlight=False)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=LOGS.parent))
    try:
        with _task(console, "control plane", "etcd, kube-apiserver, kube-controller-manager"):
            plane = ControlPlane.start(binaries, folder, crds=CRDS)
        with plane, receiving() as letters:
            tenure = Tenure.install(plane, LOGS, smtp_port=letters.port)
            try:
                steps = _play(Demo(console, plane, tenure), letters)
            finally:
                tenure.stop()
    except ToolError as error:
        raise ToolError(f"{error}\nThe logs are in {LOGS}/") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - began
    console.print(f"\n[green]✓[/green] All {steps} steps worked, in {seconds:.0f} s. All processes are stopped.")
    console.print("  To try it yourself: make up      How it works: docs/concepts.md", highlight=False)


def _play(demo: Demo, letters: Letters) -> int:
    with _task(demo.console, "tenure", "CRDs, roles, webhooks, operator, verifier, mail"):
        demo.tenure.start()
    with _task(demo.console, "samples", "kubectl apply --filename manifests/samples/"):
        demo.plane.kubectl("apply", "--filename", str(SAMPLES))
        start = demo.wait("all keys issued", lambda now: now.all_issued())
    _introduce(demo, start)
    steps = (_ask_price, _change_role, _carry_key_over, _change_while_stopped, _keep_last_owner, _compare_rest)
    for number, step in enumerate(steps, start=1):
        step(demo, number)
    _headline(demo, len(steps) + 1, "Acme invites new members by mail. Carol gets her key once she accepts.")
    invite(demo, letters)
    return len(steps) + 1


def _introduce(demo: Demo, start: Snapshot) -> None:
    people = sum(member.is_person for member in start.memberships.values())
    others = len(start.memberships) - people
    demo.say(
        f"\n Organization {NAMESPACE}: {people} people, {others} service account, {len(start.keys)} keys, "
        "all Ready. Each key has a Secret."
    )
    table = _table("NAME", "MEMBER", "ROLE", "ACCESS", "EXPIRES", "TOKEN IN THE SECRET")
    for name, key in sorted(start.keys.items()):
        member = start.memberships[key.spec.membership]
        table.add_row(
            name,
            member.name if member.is_person else f"{member.name} *",
            member.spec.role,
            key.spec.access,
            format_time(key.status.expires_at)[:10] if key.status.expires_at else "never",
            f"tnr_{start.tokens[name].key_id}_••••",
        )
    demo.console.print(table)
    demo.say("   * service account")
    demo.remember(start.tokens)


def _ask_price(demo: Demo, number: int) -> None:
    _headline(demo, number, "Alice should become a Viewer. A dry-run lists the keys that this revokes.")
    viewer = '-p={"spec":{"role":"Viewer"}}'
    patch = ("patch", "membership", "alice", "-n", NAMESPACE, "--type=merge", viewer, "--dry-run=server")
    demo.run_refused(*patch, because="would revoke 2 API keys of alice@acme.io")
    now = demo.look()
    demo.expect("alice is still a Member", holds=now.memberships["alice"].spec.role == "Member")


def _change_role(demo: Demo, number: int) -> None:
    _headline(demo, number, "A pipeline uses ci-deploy 100 times a second. You hand the key over, and change the role.")
    old, told = demo.tokens["ci-deploy"], _table("MOMENT", "ALICE'S TOKEN", "CI'S TOKEN")
    with Program(demo.tenure.url, old) as pipeline:
        told.add_row("ci-deploy is Alice's", demo.verdict(old), "")
        new = _hand_over(demo, old)
        told.add_row("handed over to ci", demo.verdict(old), demo.verdict(new))
        pipeline.reload(new)
        demo.say("    The pipeline reads the Secret again.")
        began = time.monotonic()
        demo.run("apply", "--filename", str((CHECKOUT / "dev/demo/alice-viewer.yaml").relative_to(CHECKOUT)))
        dead = demo.wait_rejected(old, demo.tokens["laptop"])
        told.add_row("Alice is a Viewer", f"[red]{demo.verdict(old)}[/red]", demo.verdict(new))
        now = demo.wait("laptop's Secret deleted", lambda now: "laptop" not in now.tokens)
    demo.console.print(told)
    demo.say(f"    The verifier rejects Alice's tokens {dead * 1000:.0f} ms after kubectl's answer.")
    demo.say(f"    The pipeline made {pipeline.requests} requests, and {pipeline.failed} failed.")
    demo.expect("no request of the pipeline failed", holds=pipeline.requests > 0 and not pipeline.failed)
    _report(demo, now, {"laptop": f"gone after {time.monotonic() - began:.2f} s"})
    change = now.memberships["alice"].status.last_role_change
    demo.expect("status.lastRoleChange names the two keys", holds=change is not None and change.key_count == 2)  # noqa: PLR2004
    if change is not None:
        names = ", ".join(f"{key.name} ({key.fate})" for key in change.keys)
        demo.say(f"    status.lastRoleChange of alice: {change.from_role} -> {change.to_role}, {names}")


def _hand_over(demo: Demo, old: Token) -> Token:
    """Give the key ci-deploy to the service account, and return its new token."""
    demo.run("patch", "apikey", "ci-deploy", "-n", NAMESPACE, "--type=merge", '-p={"spec":{"membership":"ci"}}')
    now = demo.wait("ci-deploy has a token of ci", lambda now: now.all_issued() and now.tokens["ci-deploy"] != old)
    demo.remember({"ci-deploy": now.tokens["ci-deploy"]})
    return now.tokens["ci-deploy"]


def _carry_key_over(demo: Demo, number: int) -> None:
    _headline(demo, number, "Anna becomes a Viewer too. The same commit approves her key for the new role.")
    demo.run("apply", "--filename", str((CHECKOUT / "dev/demo/anna-viewer.yaml").relative_to(CHECKOUT)))
    old = demo.tokens["cost-report"]
    now = demo.wait(
        "cost-report reissued",
        lambda now: now.all_issued() and now.tokens["cost-report"] != old,
    )
    _report(demo, now, {"cost-report": "same name, new token"})
    demo.remember({"cost-report": now.tokens["cost-report"]})


def _change_while_stopped(demo: Demo, number: int) -> None:
    _headline(demo, number, "The operator is stopped. Bob, a Viewer, becomes a Member and then a Viewer again.")
    demo.tenure.operator.stop()
    acknowledged = '"metadata":{"annotations":{"tenure.dev/acknowledge-key-deletion":"Member: bob-cli"}},'
    for patch in (f'{{{acknowledged}"spec":{{"role":"Member"}}}}', '{"spec":{"role":"Viewer"}}'):
        demo.run("patch", "membership", "bob", "-n", NAMESPACE, "--type=merge", f"-p={patch}")
    now = demo.look()
    demo.wait_verdict("RoleChanged", demo.tokens["bob-cli"])
    verdict = demo.verdict(demo.tokens["bob-cli"])
    generation = now.memberships["bob"].metadata.generation
    demo.say(f"    bob-cli is stamped with generation 1, and bob's Membership has generation {generation}.")
    demo.say(f"    So the verifier says [bold red]{verdict}[/bold red], although the Secret still exists.")
    demo.expect("bob-cli is RoleChanged although the operator is stopped", holds=verdict == "RoleChanged")
    demo.expect("the Secret still exists", holds="bob-cli" in now.tokens)
    began = time.monotonic()
    demo.tenure.operator.start()
    demo.wait("bob-cli's Secret deleted", lambda now: "bob-cli" not in now.tokens)
    demo.say(
        f"    The operator deleted the Secret {time.monotonic() - began:.1f} s after its start. It needed no event."
    )


def _keep_last_owner(demo: Demo, number: int) -> None:
    _headline(demo, number, "Olga, the last Owner, steps down and acknowledges the key that this revokes.")
    acknowledged = '"metadata":{"annotations":{"tenure.dev/acknowledge-key-deletion":"Member: olga-admin"}}'
    patch = f'-p={{{acknowledged},"spec":{{"role":"Member"}}}}'
    refused = ("patch", "membership", "olga", "-n", NAMESPACE, "--type=merge", patch)
    demo.run_refused(*refused, because="is the only Owner of Organization acme")


def _compare_rest(demo: Demo, number: int) -> None:
    _headline(demo, number, "The other keys still have the same token, and it works.")
    now = demo.wait("all is settled", lambda now: now.all_issued())
    for name in ("olga-admin", "pipeline"):
        same = now.tokens.get(name) == demo.tokens[name]
        verdict = demo.verdict(demo.tokens[name])
        demo.say(f"    {name:<12} {verdict}, {'the same token' if same else 'another token'}")
        demo.expect(f"{name} keeps its token and works", holds=same and verdict == "Valid")
    demo.run("get", "tenure", "-n", NAMESPACE)


def _report(demo: Demo, now: Snapshot, secrets: Mapping[str, str]) -> None:
    """Show the verdict on every token, and fail the step if one of them isn't as expected."""
    demo.wait_verdict("RoleChanged", *(demo.tokens[name] for name in secrets))
    table = _table("KEY", "WHOSE", "BEFORE", "NOW", "SECRET")
    for name, token in sorted(demo.tokens.items()):
        verdict = demo.verdict(token)
        ended = name in secrets
        whose = now.keys[name].spec.membership if name in now.keys else "alice"
        style = "red" if ended else "green"
        table.add_row(
            name, whose, demo.verdicts[name], f"[{style}]{verdict}[/{style}]", secrets.get(name, "same token")
        )
        expected = "RoleChanged" if ended else "Valid"
        demo.expect(f"the old token of {name} is {expected}", holds=verdict == expected)
        if not ended:
            demo.expect(f"{name} keeps its token", holds=now.tokens.get(name) == token)
    demo.console.print(table)
    for name in secrets:
        if name not in now.tokens:
            demo.tokens.pop(name, None)


def _headline(demo: Demo, number: int, text: str) -> None:
    demo.say(f"\n [bold cyan]{number}[/bold cyan]  {text}")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 1), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


@contextmanager
def _task(console: Console, name: str, what: str) -> Iterator[None]:
    began = time.monotonic()
    with console.status(f" {name:<14} {what}") if console.is_terminal else _silence():
        yield
    console.print(f" [green]✓[/green] {name:<14} {what:<52} {time.monotonic() - began:5.1f} s", highlight=False)


@contextmanager
def _silence() -> Iterator[None]:
    yield
