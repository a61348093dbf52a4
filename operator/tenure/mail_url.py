"""The address of the mail process. This module imports little, because every command imports it."""

import ipaddress
from urllib.parse import urlsplit


def check_mail_url(text: str) -> str:
    """Return an address to which a token can be sent without others reading it, or an empty text.

    Raises:
        ValueError: it is another one.
    """
    url = urlsplit(text)
    if not text or url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.hostname or "")):
        return text
    raise ValueError(f"{text!r} isn't an https address, for example https://join.acme.io")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
