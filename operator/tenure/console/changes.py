"""Shows a change, and makes it: only if it was shown to this person, and if it is still the same change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from tenure.console.caller import Caller, caller_of
from tenure.console.failures import CONFLICT, FORBIDDEN, INVALID, UNAVAILABLE, Failure, StoppedError, failure_of
from tenure.console.forms import TICKED, Seals, pack, read_fields, unpack
from tenure.console.proposals import KEEP, Choice, Plan, Proposal, differences, invitation, place_of
from tenure.console.render import Renderer
from tenure.errors import ApiError, UnauthorizedError
from tenure.process.http_pages import is_from_page
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.preview import combined
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import NONE, as_document

_OK = 200

LOOK = "look"
"""The button that only shows what changes with other tick boxes."""


@dataclass(frozen=True)
class Asked:
    """A change that is asked for: which one, of which object, and to which value."""

    caller: Caller
    plan: Plan
    namespace: str
    name: str
    path: str
    choice: Choice

    @classmethod
    def by(cls, plan: Plan, request: Request, values: Mapping[str, str]) -> "Asked":
        """Read a request."""
        place, path = request.path_params, request.url.path
        return cls(caller_of(request), plan, place["namespace"], place.get("name", ""), path, Choice.of(values))

    @property
    def subject(self) -> str:
        """What a form is sealed for. The tick boxes are among the facts that the person saw."""
        return json.dumps([self.path, self.namespace, self.name, dict(self.choice.fields)])

    @property
    def href(self) -> str:
        """The path of the page that shows the change, below the console's."""
        values = [*self.choice.fields.items(), *((TICKED, one) for one in self.choice.keep)]
        return quote(self.path.lstrip("/")) + (f"?{urlencode(values)}" if values else "")

    def proposal(self, snapshot: Snapshot) -> Proposal:
        """Return the change for the objects as they are."""
        return self.plan(snapshot, self.name, self.choice)


@dataclass
class Changes:
    """Shows and makes changes."""

    renderer: Renderer
    seals: Seals = field(default_factory=Seals)

    async def show(self, plan: Plan, request: Request) -> Response:
        """Show a change with the cluster's verdict."""
        query = request.query_params
        asked = Asked.by(plan, request, {**query, TICKED: ",".join(query.getlist(TICKED))})
        snapshot = await asked.caller.snapshot(asked.namespace)
        if plan is invitation and "addresses" not in query:
            return self._ask_whom(request, snapshot)
        return await self._shown(request, asked, snapshot)

    async def make(self, plan: Plan, request: Request) -> Response:
        """Make a change that was shown before."""
        if self.renderer.read_only:
            _stop(FORBIDDEN, "This console is read-only", "It was started with --read-only, so it makes no change.")
        if not is_from_page(request, f"{request.url.scheme}://{request.url.netloc}"):
            _stop(FORBIDDEN, "No object was changed", "Another website sent this form.")
        fields = await read_fields(request)
        try:
            return await self._make_by(plan, request, fields)
        except UnauthorizedError as error:
            raise StoppedError(replace(failure_of(error), kept=fields)) from error

    async def _make_by(self, plan: Plan, request: Request, fields: Mapping[str, str]) -> Response:
        asked = Asked.by(plan, request, fields)
        if not self.seals.is_sealed(asked.caller.username, asked.subject, fields):
            reason = "This console didn't make this form for you, or was started again since. Open the page again."
            _stop(FORBIDDEN, "No object was changed", reason)
        shown = unpack(fields["seen"])
        snapshot = await asked.caller.snapshot(asked.namespace)
        if LOOK in fields or shown.get(KEEP, NONE) != (", ".join(asked.choice.keep) or NONE):
            text = "No object was changed. This is what changes now, with the keys that you chose to keep."
            return await self._shown(request, asked, snapshot, notice=text)
        proposal = self._still_same(asked, snapshot, shown)
        if not proposal.stays:
            first = next(edit for edit in proposal.edits if not edit.stays)
            _stop(FORBIDDEN, "No object was changed", f"{first} is managed by {first.managed_by}. Change it in Git.")
        if proposal.confirm and fields.get("confirm", "").strip() != proposal.confirm:
            text = f"No object was changed. Type {proposal.confirm} to confirm that tokens stop working."
            return await self._shown(request, asked, snapshot, status=INVALID, notice=text)
        if proposal.letter is not None:
            await _resend(asked)
        warnings = await self._make(asked, proposal, shown)
        document = {"done": proposal.done, "changes": as_document(proposal.edits), "warnings": warnings}
        values: dict[str, Any] = {"asked": asked, "proposal": proposal, "warnings": warnings, **place_of(snapshot)}
        return self.renderer.answer(request, "done.html", document, values)

    def _ask_whom(self, request: Request, snapshot: Snapshot) -> Response:
        organization = snapshot.require_organization()
        manager = snapshot.manager(organization)
        document = {"namespace": snapshot.namespace, "organization": organization.name, "managedBy": manager.name}
        values: dict[str, Any] = {"manager": manager, **place_of(snapshot)}
        return self.renderer.answer(request, "invite.html", document, values)

    async def _shown(
        self, request: Request, asked: Asked, snapshot: Snapshot, *, status: int = _OK, notice: str = ""
    ) -> Response:
        proposal = asked.proposal(snapshot)
        verdicts = [await asked.caller.judge(edit) for edit in proposal.edits]
        verdict = combined([one for one in verdicts if one is not None])
        seen = pack(proposal.facts)
        seal = self.seals.seal(asked.caller.username, asked.subject, seen)
        document: dict[str, Any] = {
            "title": proposal.title,
            "changes": as_document(proposal.edits),
            "diffs": as_document(proposal.diffs),
            "preview": as_document(proposal.preview),
            "invited": as_document(proposal.invited),
            "letter": as_document(proposal.letter),
            "verdict": as_document(verdict),
            "confirm": proposal.confirm,
            "form": {"seen": seen, "token": seal},
        }
        values: dict[str, Any] = {"proposal": proposal, "verdict": verdict, "seen": seen, "seal": seal, "asked": asked}
        values |= {"notice": notice, "refused": status == INVALID, "now": snapshot.now, **place_of(snapshot)}
        return self.renderer.answer(request, "change.html", document, values, status=status)

    def _still_same(self, asked: Asked, snapshot: Snapshot, shown: Mapping[str, str]) -> Proposal:
        """Return the change for the present objects.

        Raises:
            StoppedError: it isn't the one that was shown any more.
        """
        try:
            proposal = asked.proposal(snapshot)
        except ViewError as error:
            raise StoppedError(self._stale([str(error)], (), asked)) from error
        changed = differences(shown, proposal.facts)
        if changed:
            raise StoppedError(self._stale(["Since you opened it, this changed:"], changed, asked))
        return proposal

    def _stale(self, lines: list[str], changed: Any, asked: Asked) -> Failure:
        return Failure(CONFLICT, "This page is out of date, so no object was changed", lines, changed, asked.href)

    async def _make(self, asked: Asked, proposal: Proposal, shown: Mapping[str, str]) -> list[str]:
        """Make the edits one after the other, and return the warnings.

        Raises:
            StoppedError: the cluster rejects one of them. The text says which ones were made.
        """
        warnings: list[str] = []
        for number, edit in enumerate(proposal.edits):

            async def renew(former: Edit = edit) -> Edit | None:
                renewed = self._still_same(asked, await asked.caller.snapshot(asked.namespace), shown)
                return next((one for one in renewed.edits if one.same_as(former)), None)

            try:
                warnings += await asked.caller.make(edit, renew)
            except ApiError as error:
                if isinstance(error, UnauthorizedError) and not number:
                    raise  # Nothing is done yet, so the whole form can be sent again.
                raise StoppedError(_of_part(error, proposal, number, asked.href)) from error
        return warnings


async def _resend(asked: Asked) -> None:
    """Ask for another letter.

    Raises:
        StoppedError: the mail process sends none. The text says why.
    """
    answer = await asked.caller.resend(asked.namespace, asked.name)
    if answer.error:
        status = CONFLICT if answer.impossible else UNAVAILABLE
        raise StoppedError(Failure(status, "No letter is sent", answer.error.splitlines(), back=asked.href))


def _of_part(error: ApiError, proposal: Proposal, number: int, back: str) -> Failure:
    """Return what the page says if one edit fails, after others were made."""
    failure = failure_of(error)
    lines = list(failure.lines)
    if len(proposal.edits) > 1:
        done, left = proposal.edits[:number], proposal.edits[number:]
        lines += [f"Done: {', '.join(map(str, done)) or '-'}.", f"Not done: {', '.join(map(str, left))}."]
    return Failure(failure.status, failure.title, lines, back=back)


def _stop(status: int, title: str, reason: str) -> NoReturn:
    raise StoppedError(Failure(status, title, [reason]))
