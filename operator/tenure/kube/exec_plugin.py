"""Runs the program of a kubeconfig that gives credentials (`client.authentication.k8s.io`)."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tenure.kube.kubeconfig import ExecEntry, without_null


class PluginError(aiohttp.ClientConnectionError):
    """The program gave no credentials."""


class Given(BaseModel):
    """The credentials that the program gave."""

    model_config = ConfigDict(alias_generator=to_camel)

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: AwareDatetime | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    api_version: str
    status: Given = Field(default_factory=Given)


@dataclass
class ExecPlugin:
    """The program, and the credentials that it gave until they expire. `cluster` is for programs that ask for it."""

    entry: ExecEntry
    cluster: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._given: Given | None = None
        self._certificate = b""

    @property
    def certificate(self) -> bytes:
        """The certificate and its key that the program gave last, as PEM."""
        return self._certificate

    def forget(self) -> None:
        """Run the program again for the next request."""
        self._given = None

    async def credentials(self) -> Given:
        """Return the credentials, from a run of the program if there are none or they have expired.

        Raises:
            PluginError: the program fails, or gives none.
        """
        given = self._given
        if given is not None and not (given.expiration_timestamp and given.expiration_timestamp <= datetime.now(UTC)):
            return given
        given = self._parse(await self._run())
        self._certificate = f"{given.client_certificate_data}\n{given.client_key_data}".strip().encode()
        self._given = given
        return given

    async def _run(self) -> bytes:
        interactive = self.entry.interactive_mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
        if self.entry.interactive_mode == "Always" and not interactive:
            raise PluginError(f"exec: {self.entry.command} asks questions, but there is no terminal")
        spec = {"interactive": interactive, **({"cluster": self.cluster} if self.entry.provide_cluster_info else {})}
        info = {"apiVersion": self.entry.api_version, "kind": "ExecCredential", "spec": spec}
        try:
            process = await asyncio.create_subprocess_exec(
                self.entry.command,
                *self.entry.args,
                env={
                    **os.environ,
                    **{variable.name: variable.value for variable in self.entry.env},
                    "KUBERNETES_EXEC_INFO": json.dumps(info),
                },
                stdin=None if interactive else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=None if interactive else asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = f". {self.entry.install_hint.strip()}" if self.entry.install_hint else ""
            raise PluginError(f"exec: can't run {self.entry.command}: {error.strerror}{hint}") from error
        try:
            output, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            said = " ".join((complaint or b"").decode(errors="replace").split())
            raise PluginError(f"exec: {self.entry.command} ended with exit code {process.returncode}: {said}")
        return output

    def _parse(self, output: bytes) -> Given:
        try:
            answer = _Answer.model_validate(without_null(json.loads(output)))
        except (ValidationError, ValueError) as error:
            # The text may contain credentials, so the message doesn't quote it.
            raise PluginError(f"exec: {self.entry.command} printed no ExecCredential") from error
        given = answer.status
        if answer.api_version != self.entry.api_version:
            raise PluginError(
                f"exec: {self.entry.command} answered in {answer.api_version}, not in {self.entry.api_version}"
            )
        if bool(given.client_certificate_data) is not bool(given.client_key_data):
            raise PluginError(f"exec: {self.entry.command} gave a certificate without its key, or a key alone")
        if not given.token and not given.client_certificate_data:
            raise PluginError(f"exec: {self.entry.command} gave neither a token nor a certificate")
        return given
