"""TLS handshakes in memory: which certificate a server's context serves at this moment."""

import ssl


def served(context: ssl.SSLContext) -> bytes:
    """Return the certificate that a new connection gets, as DER."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = trusting.wrap_bio(to_client, to_server)
    waiting = [client, server]
    while waiting:
        waiting = [end for end in waiting if not _shakes_hands(end)]
    certificate = client.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


def _shakes_hands(end: ssl.SSLObject) -> bool:
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
