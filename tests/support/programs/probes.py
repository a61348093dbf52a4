"""Probes of a webhook process, as the kubelet makes them: it checks no certificate."""

import http.client
import ssl

from support.run.slowness import NEVER

OK = (200, "ok\n")


def probe(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    """The status and the text that a path answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, port, timeout=NEVER, context=context)
    try:
        connection.request("GET", f"/{path}")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
