"""The options of `tenure revoke`."""

import re
from dataclasses import dataclass
from typing import Annotated

from tenure.domain.moments import MEANING, parse_moment
from tenure.options import CONTEXT, Option
from tenure.revocation.formats import OutputFormat
from tenure.system_settings import check_namespaces

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_OBJECT_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")


def _check_moment(text: str) -> str:
    parse_moment(text)
    return text


def _check_membership(name: str) -> str:
    from tenure.domain.resources.base import NAME_LENGTH  # noqa: PLC0415 - the command imports the models anyway

    if name and (len(name) > NAME_LENGTH or _OBJECT_NAME.fullmatch(name) is None):
        raise ValueError(
            f"{name!r} is not a valid Membership name. Use lower-case letters, digits, dashes and dots, at most "
            f"{NAME_LENGTH} characters."
        )
    return name


@dataclass(frozen=True, kw_only=True)
class RevokeOptions:
    """The keys to revoke, and how."""

    issued_before: Annotated[
        str, Option(f"Revoke keys that were issued before this moment: {MEANING}. 0s: all keys.", check=_check_moment)
    ]
    namespaces: Annotated[
        tuple[str, ...],
        Option(
            "Namespace of the keys. Repeat the option for several namespaces. Default: all namespaces.",
            names=("--namespace", "-n"),
            check=check_namespaces,
        ),
    ] = ()
    membership: Annotated[
        str, Option("Revoke only the keys of this Membership. Default: those of all.", check=_check_membership)
    ] = ""
    output: Annotated[OutputFormat, Option("Format of the report.", names=("--output", "-o"))] = OutputFormat.TEXT
    dry_run: Annotated[
        bool, Option("List the keys that would be revoked, and change nothing.", names=("--dry-run",))
    ] = False
    yes: Annotated[
        bool,
        Option(
            "Don't ask for confirmation. Required without a terminal. KUBECONFIG or --context must say which cluster.",
            names=("--yes", "-y"),
        ),
    ] = False
    context: Annotated[str, CONTEXT] = ""
