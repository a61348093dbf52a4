"""The options of `kubectl tenure`. Each command has a model."""

import re
from dataclasses import dataclass
from typing import Annotated

from tenure.domain.durations import parse_duration
from tenure.domain.roles import Capability, Role
from tenure.kubectl.completion import complete_contexts, complete_keys, complete_members
from tenure.kubectl.formats import Level, OutputFormat
from tenure.options import CONTEXT, Argument, Option

_DAYS = re.compile(r"([0-9]{1,5})d")


def _check_span(text: str) -> str:
    if text and _DAYS.fullmatch(text) is None:
        try:
            parse_duration(text)
        except ValueError:
            raise ValueError(f"{text!r} isn't a length of time. Write for example 14d or 12h.") from None
    return text


def in_hours(text: str) -> str:
    """Return a length of time without days, as Kubernetes writes it."""
    days = _DAYS.fullmatch(text)
    return f"{int(days[1]) * 24}h" if days else text


@dataclass(frozen=True, kw_only=True)
class CallOptions:
    """The cluster, and the format of the output."""

    context: Annotated[str, Option(CONTEXT.help, names=CONTEXT.names, complete=complete_contexts)] = ""
    namespace: Annotated[
        str, Option("Namespace of the organization. Default: that of the context.", names=("--namespace", "-n"))
    ] = ""
    output: Annotated[OutputFormat, Option("Format of the output.", names=("--output", "-o"))] = OutputFormat.TEXT


@dataclass(frozen=True, kw_only=True)
class ChangeOptions(CallOptions):
    """Whether to make a change, or only to show it."""

    apply: Annotated[bool, Option("Make the change, instead of only showing it.", names=("--apply",))] = False
    yes: Annotated[bool, Option("Don't ask for confirmation if tokens are revoked.", names=("--yes", "-y"))] = False
    even_if_managed: Annotated[
        bool,
        Option(
            "Make the change even if a tool such as Argo CD or Flux manages the object, and may revert it.",
            names=("--even-if-managed",),
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class KeysOptions(CallOptions):
    """Which keys to list."""

    member: Annotated[str, Argument("Member whose keys to list. Default: all.", complete=complete_members)] = ""
    unused: Annotated[
        bool,
        Option(
            "List only keys that are known to be unused, for the organization's unusedAfter or 30 days.",
            names=("--unused",),
        ),
    ] = False
    expiring: Annotated[
        str, Option("List only keys that expire within this time, for example 14d or 12h.", check=_check_span)
    ] = ""


@dataclass(frozen=True, kw_only=True)
class PreviewOptions(ChangeOptions):
    """A role change."""

    member: Annotated[str, Argument("Member whose role changes.", complete=complete_members)]
    role: Annotated[Role, Argument("The new role.")]
    keep: Annotated[
        tuple[str, ...],
        Option("Key to approve for the new role, so that it gets a new token. Repeatable.", complete=complete_keys),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class KeyOptions(ChangeOptions):
    """A key."""

    key: Annotated[str, Argument("Name of the ApiKey.", complete=complete_keys)]


@dataclass(frozen=True, kw_only=True)
class RevokeKeyOptions(KeyOptions):
    """A key, and how to revoke it."""

    reissue: Annotated[
        bool, Option("Keep the ApiKey, and give it a new token, as after a leak.", names=("--reissue",))
    ] = False


@dataclass(frozen=True, kw_only=True)
class HandOverOptions(ChangeOptions):
    """Keys and their new member."""

    keys: Annotated[tuple[str, ...], Argument("Names of the ApiKeys.", metavar="KEY", complete=complete_keys)]
    to: Annotated[str, Option("Member who gets the keys.", complete=complete_members)]


@dataclass(frozen=True, kw_only=True)
class RemoveOptions(ChangeOptions):
    """A member."""

    member: Annotated[str, Argument("Member to remove.", complete=complete_members)]


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(ChangeOptions):
    """A member, a key, or the whole organization."""

    member: Annotated[str, Argument("Member.", complete=complete_members)] = ""
    key: Annotated[str, Option("Key, instead of a member.", complete=complete_keys)] = ""
    organization: Annotated[
        bool, Option("All keys of the organization, instead of a member's.", names=("--organization",))
    ] = False


@dataclass(frozen=True, kw_only=True)
class SuspendOptions(ResumeOptions):
    """A member, a key, or the whole organization, and the reason."""

    reason: Annotated[str, Option("Reason, for example the number of an incident. Only for a member.")] = ""


@dataclass(frozen=True, kw_only=True)
class InviteOptions(ChangeOptions):
    """People to invite."""

    addresses: Annotated[
        tuple[str, ...],
        Argument("E-mail addresses. Without any, or with -, they are read from standard input.", metavar="ADDRESS"),
    ] = ()
    role: Annotated[Role | None, Option("Role of the new members. Required, except with --resend.")] = None
    resend: Annotated[
        bool,
        Option("Send the invitations of these members again, given by name or by address.", names=("--resend",)),
    ] = False
    mail_url: Annotated[str, Option("With --resend: address of the accept page, for example https://join.acme.io.")] = (
        ""
    )
    service_account: Annotated[
        str,
        Option("With --resend: ServiceAccount of the namespace that may update Memberships, and whose token is sent."),
    ] = ""


@dataclass(frozen=True, kw_only=True)
class CanOptions(CallOptions):
    """A capability."""

    capability: Annotated[Capability, Argument("The capability.")]
    level: Annotated[Level, Option("Level of the capability.")] = Level.VIEW


@dataclass(frozen=True, kw_only=True)
class HistoryOptions:
    """A Git repository."""

    member: Annotated[str, Argument("Member whose history to show. Default: all.")] = ""
    repo: Annotated[str, Option("Folder of the manifests in a Git repository.")] = "."
    namespace: Annotated[str, Option("Namespace of manifests that name none.", names=("--namespace", "-n"))] = "default"
    most: Annotated[int, Option("Maximum number of commits to read, the latest first.", min=1, max=100_000)] = 200
    output: Annotated[OutputFormat, Option("Format of the output.", names=("--output", "-o"))] = OutputFormat.TEXT


@dataclass(frozen=True, kw_only=True)
class TokenOptions:
    """A key whose token to print."""

    key: Annotated[str, Argument("Name of the ApiKey.", complete=complete_keys)]
    show: Annotated[bool, Option("Print the token even to a terminal.", names=("--show",))] = False
    context: Annotated[str, Option(CONTEXT.help, names=CONTEXT.names, complete=complete_contexts)] = ""
    namespace: Annotated[
        str, Option("Namespace of the organization. Default: that of the context.", names=("--namespace", "-n"))
    ] = ""
    output: Annotated[OutputFormat, Option("Format of the output.", names=("--output", "-o"))] = OutputFormat.TEXT
