"""Checks of web addresses that options take. This module imports little, because every command imports it."""

import ipaddress
from string import Formatter
from urllib.parse import urlsplit

_PLACES = {"namespace", "name", "kind"}


def check_base_url(text: str) -> str:
    """Return a URL without a slash at its end. Raises `ValueError` if it isn't one."""
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ValueError(f"{text!r} is not a URL without a query, for example https://acme.io/tenure.")
    return text.rstrip("/")


def check_edit_url(text: str) -> str:
    """Return the address of files with its places. Raises `ValueError` if it isn't one."""
    if not text:
        return text
    try:
        places = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError:
        places = {text}
    if not places <= _PLACES:
        raise ValueError(f"{text!r} may have {{namespace}}, {{kind}} and {{name}} in it, and no other braces.")
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.netloc or "{" in url.netloc:
        raise ValueError(
            f"{text!r} isn't an address such as https://git.example.com/{{namespace}}/{{kind}}/{{name}}.yaml."
        )
    return text


def check_issuer(text: str) -> str:
    """Return the URL of an OpenID provider. Raises `ValueError` if it isn't one."""
    url = urlsplit(text)
    if text and (url.scheme != "https" or not url.hostname or url.query or url.fragment):
        raise ValueError(f"{text!r} is not the URL of an issuer, for example https://login.acme.io.")
    return text


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
