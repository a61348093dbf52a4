"""The options of `tenure console`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from tenure.errors import StartRefusedError
from tenure.options import CONTEXT, Option
from tenure.web_addresses import check_edit_url, check_mail_url

if TYPE_CHECKING:
    from tenure.kube.letters import MailProcess


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions:
    """The cluster, and what the console offers."""

    context: Annotated[str, CONTEXT] = ""
    namespace: Annotated[
        str,
        Option(
            "Namespace of the organization. Default: all namespaces that you may list, or else that of the context.",
            names=("--namespace", "-n"),
        ),
    ] = ""
    port: Annotated[int, Option("Port on 127.0.0.1. 0: any free one.", min=0, max=65535)] = 0
    read_only: Annotated[bool, Option("Show everything, and offer no change.", names=("--read-only",))] = False
    edit_url: Annotated[
        str,
        Option(
            "Address of an object's file in Git, with {namespace}, {kind} (for example memberships) and {name} in it. "
            "The console links it where a tool manages the object.",
            check=check_edit_url,
        ),
    ] = ""
    mail_url: Annotated[
        str,
        Option(
            "Address of the accept page of invitations, for example https://join.acme.io. With it, the console offers "
            "to send an invitation again.",
            check=check_mail_url,
        ),
    ] = ""
    invite_service_account: Annotated[
        str,
        Option(
            "With --mail-url: ServiceAccount of the organization's namespace that may update Memberships, and whose "
            "token the mail process gets."
        ),
    ] = ""

    @property
    def mail(self) -> "MailProcess | None":
        """The mail process, or None if the options don't name it.

        Raises:
            StartRefusedError: one of the two options is missing.
        """
        if bool(self.mail_url) is not bool(self.invite_service_account):
            raise StartRefusedError("--mail-url and --invite-service-account belong together. Give both, or neither")
        if not self.mail_url:
            return None
        from tenure.kube.letters import MailProcess  # noqa: PLC0415 - `tenure --version` needs no client of Kubernetes

        return MailProcess(self.mail_url, self.invite_service_account)
