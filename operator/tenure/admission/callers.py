"""Tells the API server from everybody else who reaches the webhook's port, by a client certificate."""

import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

from tenure.errors import StartRefusedError

_HEADER = "X-Tenure-Self-Test"


@dataclass(frozen=True)
class Callers:
    """Those who may send reviews.

    Attributes:
        certified: Whether they must present a certificate of the client authority.
        own_secret: What the process itself presents instead, when it tests its own listener.
    """

    certified: bool
    own_secret: str = field(default_factory=token_urlsafe, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers with which the process tests its own listener."""
        return {_HEADER: self.own_secret} if self.certified else {}

    def includes(self, certificate: object, headers: Mapping[str, str]) -> bool:
        """Whether a request is from one of them. TLS has checked the certificate, if there is one."""
        if not self.certified or certificate:
            return True
        return hmac.compare_digest(headers.get(_HEADER, "").encode(), self.own_secret.encode())


ANYBODY = Callers(certified=False)


def trust_clients(context: ssl.SSLContext, authority: Path | None) -> Callers:
    """Have a TLS context ask clients for a certificate of the authority in a file, if one is given.

    Raises:
        StartRefusedError: the file has no certificates.
    """
    if authority is None:
        return ANYBODY
    try:
        context.load_verify_locations(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise StartRefusedError(f"--client-ca-file {authority}: {error}") from error
    context.verify_mode = ssl.CERT_OPTIONAL  # So that whoever has none is answered with the reason.
    return Callers(certified=True)
