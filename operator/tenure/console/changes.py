"""Shows a change, and makes it: only if it was shown to this person, and if it is still the same change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from tenure.console.caller import Caller, caller_of
from tenure.console.failures import CONFLICT, FORBIDDEN, INVALID, Failure, StoppedError, failure_of
from tenure.console.forms import Seals, read_fields
from tenure.console.proposals import Plan, Proposal, differences, place_of
from tenure.console.render import Renderer
from tenure.errors import ApiError
from tenure.process.http_pages import is_from_page
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.invitations import split_addresses
from tenure.viewmodel.preview import Verdict
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import as_document

_OK = 200


@dataclass(frozen=True)
class Asked:
    """A change that is asked for: which one, of which object, and to which value."""

    caller: Caller
    plan: Plan
    namespace: str
    name: str
    to: str
    path: str
    addresses: str = ""

    @classmethod
    def by(cls, plan: Plan, request: Request, values: Mapping[str, str]) -> "Asked":
        """Read a request."""
        place = request.path_params
        addresses = ", ".join(split_addresses(values.get("addresses", "")))
        name = place.get("name", addresses)
        to = values.get("to", "")
        return cls(caller_of(request), plan, place["namespace"], name, to, request.url.path, addresses)

    @property
    def subject(self) -> str:
        """What a form is sealed for."""
        return json.dumps([self.path, self.namespace, self.name, self.to])

    @property
    def href(self) -> str:
        """The path of the page that shows the change, below the console's."""
        values = {name: value for name, value in (("addresses", self.addresses), ("to", self.to)) if value}
        return quote(self.path.lstrip("/")) + (f"?{urlencode(values)}" if values else "")

    def proposal(self, snapshot: Snapshot) -> Proposal:
        """Return the change for the objects as they are."""
        return self.plan(snapshot, self.name, self.to)


@dataclass
class Changes:
    """Shows and makes changes."""

    renderer: Renderer
    seals: Seals = field(default_factory=Seals)

    async def show(self, plan: Plan, request: Request) -> Response:
        """Show a change with the cluster's verdict."""
        asked = Asked.by(plan, request, request.query_params)
        snapshot = await asked.caller.snapshot(asked.namespace)
        if "addresses" not in request.query_params and "name" not in request.path_params:
            return self._ask_whom(request, snapshot)
        return await self._shown(request, asked, snapshot)

    async def make(self, plan: Plan, request: Request) -> Response:
        """Make a change that was shown before."""
        if self.renderer.read_only:
            _stop(FORBIDDEN, "This console is read-only", "It was started with --read-only, so it makes no change.")
        if not is_from_page(request, f"{request.url.scheme}://{request.url.netloc}"):
            _stop(FORBIDDEN, "No object was changed", "Another website sent this form.")
        fields = await read_fields(request)
        asked = Asked.by(plan, request, fields)
        if not self.seals.is_sealed(asked.caller.username, asked.subject, fields):
            reason = "This console didn't make this form for you, or was started again since. Open the page again."
            _stop(FORBIDDEN, "No object was changed", reason)
        shown: Mapping[str, str] = json.loads(fields["seen"])
        snapshot = await asked.caller.snapshot(asked.namespace)
        proposal = self._still_same(asked, snapshot, shown)
        if not proposal.stays:
            first = next(edit for edit in proposal.edits if not edit.stays)
            _stop(FORBIDDEN, "No object was changed", f"{first} is managed by {first.managed_by}. Change it in Git.")
        if proposal.confirm and fields.get("confirm", "").strip() != proposal.confirm:
            text = f"No object was changed. Type {proposal.confirm} to confirm that tokens stop working."
            return await self._shown(request, asked, snapshot, status=INVALID, notice=text)
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
        verdict = await self._judge(asked.caller, proposal)
        seen = json.dumps(proposal.facts)
        seal = self.seals.seal(asked.caller.username, asked.subject, seen)
        document: dict[str, Any] = {
            "title": proposal.title,
            "changes": as_document(proposal.edits),
            "diffs": as_document(proposal.diffs),
            "preview": as_document(proposal.preview),
            "invited": as_document(proposal.invited),
            "verdict": as_document(verdict),
            "confirm": proposal.confirm,
            "form": {"seen": seen, "token": seal},
        }
        values: dict[str, Any] = {"proposal": proposal, "verdict": verdict, "seen": seen, "seal": seal, "asked": asked}
        values |= {"notice": notice, "now": snapshot.now, **place_of(snapshot)}
        return self.renderer.answer(request, "change.html", document, values, status=status)

    async def _judge(self, caller: Caller, proposal: Proposal) -> Verdict | None:
        """Return the first rejection of the edits, or all warnings. None if there is no edit."""
        verdicts = [await caller.judge(edit) for edit in proposal.edits]
        rejected = next((verdict for verdict in verdicts if not verdict.allowed), None)
        warnings = tuple(dict.fromkeys(warning for verdict in verdicts for warning in verdict.warnings))
        return rejected or (Verdict(allowed=True, warnings=warnings) if verdicts else None)

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

            async def renew(position: int = number) -> Edit | None:
                renewed = self._still_same(asked, await asked.caller.snapshot(asked.namespace), shown)
                return renewed.edits[position]

            try:
                warnings += await asked.caller.make(edit, renew)
            except ApiError as error:
                raise StoppedError(_of_part(error, proposal, number)) from error
        return warnings


def _of_part(error: ApiError, proposal: Proposal, number: int) -> Failure:
    """Return what the page says if one edit fails, after others were made."""
    failure = failure_of(error)
    lines = list(failure.lines)
    if len(proposal.edits) > 1:
        done, left = proposal.edits[:number], proposal.edits[number:]
        lines += [f"Done: {', '.join(map(str, done)) or '-'}.", f"Not done: {', '.join(map(str, left))}."]
    return Failure(failure.status, failure.title, lines)


def _stop(status: int, title: str, reason: str) -> NoReturn:
    raise StoppedError(Failure(status, title, [reason]))
