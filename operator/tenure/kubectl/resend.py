"""`invite --resend`: ask the mail process to send invitations again."""

import asyncio

from tenure.domain.resources import Membership
from tenure.domain.resources.base import GROUP
from tenure.kube.letters import MailProcess
from tenure.kube.session import opened
from tenure.kubectl.formats import ExitCode, WrongUsageError
from tenure.kubectl.options import InviteOptions
from tenure.kubectl.output import Line, emit
from tenure.viewmodel.letters import ResentPage, find_members, told
from tenure.web_addresses import check_mail_url


def resend(options: InviteOptions) -> ExitCode:
    """Ask for another letter to each member."""
    if not options.mail_url or not options.service_account:
        raise WrongUsageError(
            "--resend needs --mail-url, the address of the accept page, and --service-account, a ServiceAccount of the "
            "namespace that may update Memberships"
        )
    try:
        mail = MailProcess(check_mail_url(options.mail_url), options.service_account)
    except ValueError as error:
        raise WrongUsageError(f"--mail-url: {error}") from None
    page = asyncio.run(_resend(options, mail))
    names = (f"membership.{GROUP}/{one.member}" for one in page.letters if not one.error)
    emit(page, options.output, lambda: [Line(told(one)) for one in page.letters], names)
    if all(not one.error for one in page.letters):
        return ExitCode.DONE
    return ExitCode.NO if all(one.impossible for one in page.letters if one.error) else ExitCode.FAILED


async def _resend(options: InviteOptions, mail: MailProcess) -> ResentPage:
    async with opened(options.context, options.namespace) as session:
        snapshot = await session.snapshot()
        snapshot.require(Membership)
        names = find_members(snapshot, options.addresses)
        if not names:
            raise WrongUsageError("--resend needs at least one member, by name or by e-mail address")
        return ResentPage(session.namespace, tuple(await mail.resend(session.cluster, session.namespace, names)))
