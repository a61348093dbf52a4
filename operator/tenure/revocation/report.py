"""Report which keys were revoked, which weren't and why, as a table for people or JSON for programs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenure.domain.resources import ApiKey
from tenure.domain.resources.base import format_time
from tenure.revocation.revoking import Outcome, Result
from tenure.revocation.survey import Survey

DONE, NOT_DONE, UNCLEAR = 0, 1, 2
"""Exit codes: all keys were revoked, some weren't, or all were but the age of some others is unclear."""


@dataclass
class Report:
    """The keys that the survey found, and their outcomes so far."""

    survey: Survey
    dry_run: bool
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The command's exit code: `DONE`, `NOT_DONE` or `UNCLEAR`."""
        if self.unfinished:
            return NOT_DONE
        return UNCLEAR if self.survey.unclear else DONE

    @property
    def unfinished(self) -> list[Outcome]:
        """The outcomes of the keys that may still be valid."""
        return [one for _, one in self._results if one is not None and one.result in {Result.FAILED, Result.LEFT}]

    @property
    def complaint(self) -> str:
        """One line that says why not every key was revoked, or "" if all were."""
        errors = [outcome.error for outcome in self.unfinished if outcome.error]
        why = errors[0] if errors else "interrupted. Run the command again"
        return f"{count(len(self.unfinished))} not revoked: {why}" if self.unfinished else ""

    @property
    def _results(self) -> list[tuple[ApiKey, Outcome | None]]:
        """Each key in the order of namespace and name, with its outcome or None if it has none yet."""
        outcomes = {(outcome.key.namespace, outcome.key.name): outcome for outcome in self.outcomes}
        return [(key, outcomes.get((key.namespace, key.name))) for key in self.survey.keys]

    def as_text(self) -> str:
        """Render the report as a table and a summary."""
        rows = [_row(key, _result(key, outcome)) for key, outcome in self._results]
        rows += [
            (one.namespace, one.name, "-", one.member or "-", "-", f"unclear: {one.doubt}")
            for one in self.survey.unclear
        ]
        table = _table([("NAMESPACE", "KEY", "KEY ID", "MEMBER", "ISSUED", "RESULT"), *rows]) if rows else ""
        return f"{table}{self.summary}\n"

    @property
    def summary(self) -> str:
        """The number of keys for each outcome, and what to do about those that weren't revoked."""
        before = f"issued before {format_time(self.survey.cutoff.moment)}"
        if self.dry_run:
            said = [f"{count(len(self.survey.keys))} {before} would be revoked"]
        else:
            results = Counter(outcome.result for outcome in self.outcomes)
            said = [f"{count(results[Result.ENDED])} {before} revoked"]
            said += [f"{results[Result.REISSUED]} already had a new token"] * bool(results[Result.REISSUED])
            left = results[Result.FAILED] + results[Result.LEFT]
            said += [f"{left} not revoked: run the command again"] * bool(left)
        if self.survey.unclear:
            said.append(
                f"{len(self.survey.unclear)} unclear: check them, and if in doubt run `kubectl delete "
                "apikeys.tenure.dev NAME -n NAMESPACE`"
            )
        return ". ".join(said)

    def as_json(self) -> str:
        """Render the report as one JSON object for programs."""
        document = {
            "issuedBefore": format_time(self.survey.cutoff.moment),
            "dryRun": self.dry_run,
            "keys": [_fields(key, outcome) for key, outcome in self._results],
            "unclear": [
                {"namespace": one.namespace, "name": one.name, "membership": one.member, "doubt": one.doubt}
                for one in self.survey.unclear
            ],
        }
        return json.dumps(document, indent=2) + "\n"


def count(number: int) -> str:
    """Return a number of keys as a text, for example "1 key" or "2 keys"."""
    return "1 key" if number == 1 else f"{number} keys"


def preview(keys: Sequence[ApiKey], most: int) -> str:
    """Return a table of the first keys, and the number of further ones."""
    rows = [_row(key, _return(key).removeprefix("; ")) for key in keys[:most]]
    more = f"… and {len(keys) - most} more. --dry-run lists all of them\n" if len(keys) > most else ""
    return _table([("NAMESPACE", "KEY", "KEY ID", "MEMBER", "ISSUED", ""), *rows]) + more


def _row(key: ApiKey, result: str) -> tuple[str, ...]:
    status = key.status
    issued = "-" if status.issued is None else format_time(status.issued.at)
    if status.previous is not None:
        issued += f" (former: {format_time(status.previous.issued.at)})"
    return key.namespace, key.name, status.key_id or "-", key.spec.membership, issued, result


def _result(key: ApiKey, outcome: Outcome | None) -> str:
    if outcome is None:
        return f"would be revoked{_return(key)}"
    match outcome.result:
        case Result.ENDED:
            return f"revoked{_return(key)}"
        case Result.REISSUED:
            return "already has a new token"
        case Result.FAILED:
            return f"not revoked: {outcome.error}"
        case Result.LEFT:
            return "not revoked: not attempted"


def _return(key: ApiKey) -> str:
    mark = key.metadata.gitops_mark
    return f"; Git recreates it with a new token ({mark})" if mark else ""


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _fields(key: ApiKey, outcome: Outcome | None) -> Mapping[str, Any]:
    return {
        "namespace": key.namespace,
        "name": key.name,
        "keyId": key.status.key_id,
        "membership": key.spec.membership,
        "issuedAt": key.status.issued and format_time(key.status.issued.at),
        "formerIssuedAt": key.status.previous and format_time(key.status.previous.issued.at),
        "comesBackFromGit": key.metadata.gitops_mark is not None,
        "result": None if outcome is None else outcome.result.value,
        "error": (outcome and outcome.error) or None,
    }
