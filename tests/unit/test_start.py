"""A command imports its own program and no other's: imports are most of what a start costs."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from tenure import unused
from tenure_dev.paths import CRDS

CLIENT = {"kubernetes", "aiohttp"}
MODELS = {"pydantic", "tenure.domain.resources"}
REPOSITORY = {"tenure_dev"}
VERIFIER = {"uvicorn", "limits", "httptools", "tenure.verifier"}
WEBHOOK = {"tenure.admission", "tenure.certificates", "tenure.admission.process", "cryptography"}
MAIL = {"tenure.mail", "tenure.mail.process", "aiosmtplib", "jinja2"}
CONSOLE = {"tenure.console.process", "tenure.console.app", "starlette"}
CONTROLLER = {"tenure.controller", "tenure.controller.process"}
IMPACT = {"tenure.impact.command", "celpy"}
KUBECTL = {"tenure.kubectl", "tenure.viewmodel", "rich"}
OTHER_COMMANDS = {*IMPACT, "tenure.revocation.command", *REPOSITORY, *KUBECTL}
SYNCHRONOUS_CLIENT = {"requests", "requests_oauthlib", "oauthlib", "urllib3", "websocket", "kubernetes.client.rest"}
"""What the client's synchronous half imports, and nothing else does."""

PAGES = {*MAIL, *CONSOLE}
NOTHING_HEAVY = {"kopf", "asyncio", *CLIENT, *MODELS, *VERIFIER, *WEBHOOK, *PAGES, *CONTROLLER, *OTHER_COMMANDS}
ROWS: dict[str, tuple[Sequence[str], set[str], set[str]]] = {
    # The command line, what it must import, and what it must not.
    "version": (["--version"], {"typer"}, NOTHING_HEAVY),
    "run": (
        ["run", "--no-webhooks"],
        {"kopf", "kubernetes.aio.config", "tenure.controller"},
        {*VERIFIER, *WEBHOOK, *MAIL, *OTHER_COMMANDS, *SYNCHRONOUS_CLIENT},
    ),
    "webhook": (
        ["webhook"],
        {"cryptography", "tenure.admission"},
        {"kopf", "tenure.process.kopf_runtime", *VERIFIER, *MAIL, *CONTROLLER, *OTHER_COMMANDS, *SYNCHRONOUS_CLIENT},
    ),
    "verifier": (
        ["verifier"],
        {"uvicorn", "tenure.verifier"},
        {"kopf", "tenure.process.kopf_runtime", *WEBHOOK, *MAIL, *CONTROLLER, *OTHER_COMMANDS, *SYNCHRONOUS_CLIENT},
    ),
    "mail": (
        ["mail"],
        {"tenure.mail.process", "uvicorn", "jinja2"},
        {
            *{"kopf", "tenure.process.kopf_runtime", "tenure.kube.secrets", "tenure.admission", "tenure.certificates"},
            *{"tenure.verifier", *CONTROLLER, *OTHER_COMMANDS, *SYNCHRONOUS_CLIENT},
        },
    ),
    "console": (
        ["console"],
        {"tenure.console.app", "uvicorn", "jinja2", "aiohttp"},
        {
            *{"kopf", "tenure.process.kopf_runtime", "tenure.kube.secrets", "tenure.admission", "tenure.certificates"},
            *{"tenure.verifier", "tenure.mail", "aiosmtplib", "rich", *IMPACT, *CONTROLLER, *REPOSITORY},
            *SYNCHRONOUS_CLIENT,
        },
    ),
    "revoke": (
        ["revoke", "--issued-before=0s", "--dry-run"],
        {"aiohttp", "tenure.revocation.command"},
        {"kopf", *IMPACT, *VERIFIER, *WEBHOOK, *CONTROLLER, *REPOSITORY, *SYNCHRONOUS_CLIENT},
    ),
    "impact": (
        ["impact", "--base=-", f"--head={CRDS}", "--allow-empty"],
        {"pydantic", *IMPACT},
        {"kopf", "tenure.revocation.command", *CLIENT, *VERIFIER, *WEBHOOK, *CONTROLLER, *REPOSITORY},
    ),
    "kubectl tenure --help": (
        ["--help"],
        {"typer", "tenure.kubectl.cli"},
        NOTHING_HEAVY - KUBECTL | {"tenure.viewmodel", "tenure.impact", "rich", "yaml"},
    ),
    "kubectl tenure members": (
        ["members"],
        {"aiohttp", "tenure.viewmodel.members"},
        {"kopf", "rich", *IMPACT, *VERIFIER, *WEBHOOK, *CONTROLLER, *REPOSITORY, *SYNCHRONOUS_CLIENT},
    ),
}


@pytest.mark.parametrize(("args", "needed", "spared"), [pytest.param(*row, id=name) for name, row in ROWS.items()])
def test_a_command_imports_what_it_needs_and_no_more(args: Sequence[str], needed: set[str], spared: set[str]) -> None:
    found = imported(args, "tenure.kubectl" if "tenure.kubectl.cli" in needed or "members" in args else "tenure")
    assert needed - found == set(), "this test looks at the wrong command, or at names that are no more"
    assert spared & found == set()


def test_the_packages_that_wait_for_their_use_are_those_of_the_client() -> None:
    spec = find_spec("kubernetes")
    assert spec is not None
    assert spec.origin is not None
    packages = Path(spec.origin).parent.parent
    gone = {name for name in unused.PACKAGES if not (packages / name.replace(".", os.sep) / "__init__.py").exists()}
    assert gone == set(), "this version of the client has other packages: see tenure.unused"


def test_a_package_that_waits_is_loaded_at_its_first_use() -> None:
    script = (
        "from tenure.unused import load_when_used\n"
        "load_when_used()\n"
        "from kubernetes import watch\n"
        "print(watch.Watch.__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "kubernetes.watch.watch\n"


def imported(args: Sequence[str], program: str = "tenure") -> set[str]:
    """Return all modules that a command imports until it is done, or has found that there is no cluster."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TENURE_", "KUBE"))}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", program, *args],
        env=inherited,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or "which cluster to use" in done.stderr, done.stderr
    return set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))


CPU_SECONDS = {"--version": 0.3, "run": 1.6}
"""CPU time that a command may take. `run` ends here once it finds no cluster, and has 0.4 s for what follows."""


@pytest.mark.parametrize("command", CPU_SECONDS)
def test_a_start_takes_little_cpu_time(command: str) -> None:
    """The best of some attempts counts, because a busy machine makes even CPU time longer."""
    spent = []
    for _ in range(8):
        spent.append(_cpu_seconds(command))
        if spent[-1] <= CPU_SECONDS[command]:
            return
    raise AssertionError(f"tenure {command} takes {min(spent):.2f} s of CPU time at least")


def _cpu_seconds(command: str) -> float:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TENURE_", "KUBE"))}
    before = os.times()
    subprocess.run([sys.executable, "-m", "tenure", command], env=inherited, capture_output=True, check=False)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])
