"""A verifier as its users run it, and what they ask it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from support.programs.operator_process import OperatorProcess
from support.run.slowness import NEVER
from tenure.domain.tokens import Token
from tenure_dev import verifier
from tenure_dev.controlplane import free_ports

Body = dict[str, Any]


class VerifierProcess(OperatorProcess):
    """`python -m tenure verifier` on a free port of the loopback."""

    ready_line = verifier.READY_LINE

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        *args: str,
        port: int = 0,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        health_port: int | None = None,
    ) -> None:
        self.port = port or free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(
            kubeconfig, log, *args, command=command or verifier.command(self.port), env=env, health_port=health_port
        )

    def verify(self, token: Token | str, bearer: str = "", **asked: str) -> Body:
        """Ask `/v1/verify` about a token."""
        text = token.reveal() if isinstance(token, Token) else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        body = {"token": text, **asked}
        answer = requests.post(f"{self.url}/v1/verify", json=body, headers=headers, timeout=NEVER)
        assert answer.status_code == requests.codes.ok, answer.text
        document: Body = answer.json()
        return document

    def code(self, token: Token | str, **asked: str) -> str:
        """The code that a token's own bearer is told; empty where it is told none."""
        return str(self.verify(token, **asked).get("code", ""))

    def authorize(
        self, token: Token | str | None, headers: Mapping[str, str] | None = None, **query: str
    ) -> requests.Response:
        """Ask `/v1/authorize` as a proxy does."""
        text = token.reveal() if isinstance(token, Token) else token
        presented = {} if text is None else {"Authorization": f"Bearer {text}"}
        return requests.get(
            f"{self.url}/v1/authorize", params=query, headers={**presented, **(headers or {})}, timeout=NEVER
        )

    def review(self, spec: Any) -> requests.Response:
        """Post a TokenReview."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        return requests.post(f"{self.url}/v1/tokenreview", json=body, timeout=NEVER)

    def readiness(self) -> tuple[int, str]:
        """What `/readyz` says."""
        code, text = self.ask("readyz")
        return code, text.strip()
