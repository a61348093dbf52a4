"""`tenure console` as people start it, with a kubeconfig of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from support.programs.console import fields_of
from support.programs.kubectl_tenure import Person

PATIENCE = 120


@dataclass(frozen=True)
class ConsoleProcess:
    """A console that runs.

    Attributes:
        address: The address that it printed, with a slash at the end.
        printed: All that it printed at its start.
    """

    address: str
    printed: str

    def get(self, path: str) -> requests.Response:
        """Open a page below the address."""
        return requests.get(self.address + path, timeout=PATIENCE)

    def json(self, path: str) -> Any:
        """Return the document of a page."""
        return requests.get(self.address + path, headers={"Accept": "application/json"}, timeout=PATIENCE).json()

    def form(self, path: str, **fields: str) -> dict[str, str]:
        """Open the page of a change, and return the fields of its form with these ones filled in."""
        return {**fields_of(self.get(path).text), **fields}

    def post(self, path: str, fields: dict[str, str]) -> requests.Response:
        """Send a form as a browser does."""
        headers = {"Sec-Fetch-Site": "same-origin"}
        return requests.post(self.address + path.partition("?")[0], data=fields, headers=headers, timeout=PATIENCE)


@contextmanager
def console_process(person: Person, *options: str) -> Iterator[ConsoleProcess]:
    """Run the console of a person while the block runs."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(person.folder), "KUBECONFIG": str(person.kubeconfig)}
    command = [sys.executable, "-m", "tenure", "console", *options]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            printed = "".join(iter(lambda: _line(process), ""))
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+/[\w-]{43}/", printed)
            yield ConsoleProcess(address, printed)
        finally:
            process.terminate()
    assert process.returncode == 0


def _line(process: "subprocess.Popen[str]") -> str:
    """Return the next line of the start, or nothing after the last one."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the console ended before it was ready"
    return "" if line.startswith("Everyone who has this address") else line
