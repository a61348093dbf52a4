"""E-mail addresses, as the subject of a Membership and as the place to which its letters go."""

from typing import Annotated

from tenure.domain.resources.base import shaped

HIDDEN = r"\x00-\x1f\x7f-\xa0\xad" + "\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff"
"""Control characters, and those that aren't visible or look like a blank."""

_ATOM = r'[^ @.<>()\[\],;:\\"{}]+'
_DOMAIN_LABEL = "[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"


def _address(atom: str) -> str:
    return rf"^{atom}(\.{atom})*@{_DOMAIN_LABEL}(\.{_DOMAIN_LABEL})*$"


ADDRESS = _address(_ATOM.replace("{}", ""))
"""The pattern of an e-mail address in a text that is known to have no hidden characters."""

MAX_ADDRESS = 254

EmailAddress = Annotated[
    str,
    shaped(
        _address(_ATOM.replace("{}", HIDDEN)),
        "must be one e-mail address without a name, for example alice@acme.io. It has one @ and an ASCII domain, and "
        'no blanks, control characters, invisible characters, and none of < > ( ) [ ] , ; : \\\\ and "',
        max_length=MAX_ADDRESS,
    ),
]
"""An e-mail address that a mail server may be given: no name beside it, and nothing that ends a header."""
