"""An application behind a proxy, which tells what of a request has come to it."""

import json
from contextlib import AbstractContextManager

from support.programs.verifier_process import Body
from support.run.serving import QuietHandler, serving


def application() -> AbstractContextManager[int]:
    """Listen on a free port of the loopback, which the block gets, and answer every request with what it got."""
    return serving(_Echo)


class _Echo(QuietHandler):
    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        names = {name.lower() for name in self.headers}
        told: Body = {name: self.headers.get_all(name) for name in names}
        text = json.dumps({"method": self.command, "path": self.path, "headers": told, "size": len(body)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer
