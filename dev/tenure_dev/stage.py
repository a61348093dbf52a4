"""The actions of the demo: run and show kubectl commands, ask the verifier, and check what is expected."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from tenure.domain.conditions import ready_reason
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.kubectl import KubectlError
from tenure_dev.processes import wait_until
from tenure_dev.snapshot import Snapshot
from tenure_dev.tenure import Tenure

NAMESPACE = "acme"
DENIED = 'admission webhook "memberships.tenure.dev" denied the request: '
WITHIN = 30.0
"""Seconds to wait for a state. It usually takes a fraction of one, but a busy machine shouldn't fail the demo."""


class StepFailedError(ToolError):
    """A step of the demo failed. The text says what was expected and what was observed."""


@dataclass
class Demo:
    """A console, a control plane, and Tenure, with the actions that the steps of the demo use."""

    console: Console
    plane: ControlPlane
    tenure: Tenure
    held: int = 0
    tokens: dict[str, Token] = field(default_factory=dict)
    """The tokens before the present step, by the name of their key."""
    verdicts: dict[str, str] = field(default_factory=dict)
    """The verifier's codes for these tokens before the present step, by the name of their key."""

    def run(self, *arguments: str) -> None:
        """Show a kubectl command, run it, and show what it prints."""
        self._show_command(arguments)
        try:
            output = self.plane.kubectl(*arguments).stdout
        except KubectlError as error:
            raise StepFailedError(f"kubectl should succeed, but it said: {error.result.stderr.strip()}") from error
        self._show(output)

    def run_refused(self, *arguments: str, because: str) -> None:
        """Show a kubectl command that must be rejected, run it, and show the rejection."""
        self._show_command(arguments)
        result = self.plane.kubectl(*arguments, check=False)
        shown = result.stderr.replace("Error from server (Forbidden): ", "Forbidden: ").replace(DENIED, "")
        self._show(shown, style="yellow")
        if result.returncode == 0 or because not in result.stderr:
            raise StepFailedError(f"kubectl should say {because!r}, but it said: {result.stderr.strip()}")

    def look(self) -> Snapshot:
        """Read all objects in the demo's namespace."""
        return Snapshot.take(self.plane.kubectl, NAMESPACE)

    def wait(self, expected: str, holds: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait until `holds` is true of the namespace, and return its objects then."""
        seen: list[Snapshot] = []

        def arrived() -> bool:
            seen[:] = [self.look()]
            return holds(seen[0])

        if not wait_until(arrived, within=WITHIN):
            reasons = {name: ready_reason(key.status.conditions) for name, key in seen[0].keys.items()}
            secrets = ", ".join(sorted(seen[0].tokens))
            raise StepFailedError(f"expected: {expected}. After {WITHIN:.0f} s: keys {reasons}, Secrets {secrets}")
        return seen[0]

    def verdict(self, token: Token) -> str:
        """Return the verifier's code for a token, for example `Valid`."""
        body = json.dumps({"token": token.reveal()}).encode()
        request = urllib.request.Request(f"{self.tenure.url}/v1/verify", body, {"Content-Type": "application/json"})  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own
            document = json.load(answer)
        return str(document.get("code", "NotFound"))

    def remember(self, tokens: Mapping[str, Token]) -> None:
        """Store tokens as those before the next step, once the verifier says that they are valid."""
        self.wait_verdict("Valid", *tokens.values())
        self.tokens.update(tokens)
        self.verdicts.update({name: self.verdict(token) for name, token in tokens.items()})

    def wait_verdict(self, expected: str, *tokens: Token) -> float:
        """Wait until the verifier returns the expected code for each token, and return the seconds that it took."""
        began = time.monotonic()
        seen: set[str] = set()

        def said() -> bool:
            seen.clear()
            seen.update(map(self.verdict, tokens))
            return seen <= {expected}

        if not wait_until(said, within=WITHIN, every=0.002):
            raise StepFailedError(f"the verifier should say {expected} for every token, but it says {sorted(seen)}")
        return time.monotonic() - began

    def wait_rejected(self, *tokens: Token) -> float:
        """Wait until the verifier rejects these tokens, and return the seconds that it took."""
        began = time.monotonic()
        if not wait_until(lambda: all(self.verdict(token) != "Valid" for token in tokens), within=WITHIN, every=0.002):
            raise StepFailedError("the verifier should reject every one of these tokens")
        return time.monotonic() - began

    def expect(self, expected: str, *, holds: bool) -> None:
        """Fail the step unless `holds` is true."""
        if not holds:
            raise StepFailedError(f"expected: {expected}. This isn't so")

    def _show_command(self, arguments: Sequence[str]) -> None:
        shown = " ".join(f"'{argument}'" if "{" in argument else argument for argument in arguments)
        self.console.print(f"    [bold]$ kubectl {escape(shown)}[/bold]", highlight=False, soft_wrap=True)

    def _show(self, output: str, style: str = "dim") -> None:
        for line in output.splitlines():
            self.console.print(f"    {escape(line)}", style=style, highlight=False, soft_wrap=True)

    def say(self, text: str = "") -> None:
        """Print a line of the story."""
        self.console.print(text, highlight=False, soft_wrap=True)
