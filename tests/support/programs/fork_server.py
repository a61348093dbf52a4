"""An interpreter that has imported Tenure, and becomes one of its processes as often as it is asked: see `forks`.

A program, run by its path. It must have no thread, since it forks.
"""

import ctypes
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from tenure.unused import load_when_used

load_when_used()  # As a start does before it imports its program.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
for program in (
    "controller.process",
    "admission.process",
    "verifier.process",
    "impact.command",
    "revocation.command",
    "mail.page",
):
    importlib.import_module(f"tenure.{program}")
importlib.import_module("tenure.cli")

_PR_SET_PDEATHSIG = 1
_LONGEST = 1 << 20


def serve(channel: socket.socket) -> None:
    """Fork for each request, until the channel is closed; return in each process that is to become one of Tenure's."""
    while True:
        text, streams, _, _ = socket.recv_fds(channel, _LONGEST, 3)
        if not text:
            sys.exit(0)
        between = os.fork()
        if not between:
            pid = os.fork()
            if not pid:
                channel.close()
                _become(json.loads(text), streams)
                return
            channel.send(str(pid).encode())
            os._exit(0)  # Whoever asked takes the orphan.
        os.waitpid(between, 0)
        channel.send(b"it is yours")
        for stream in streams:
            os.close(stream)


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Be the child of who asked, and look like a program that was started by them."""
    while os.getppid() != request["parent"]:
        time.sleep(0.001)
    ctypes.PyDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setpgid(0, 0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("tenure", run_name="__main__", alter_sys=True)
