"""The webhook's answer to a request: allowed or rejected, with warnings and with notes for the audit log."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

MAX_MESSAGE = 2000
"""Maximum length of a refusal in characters. The API server cuts longer ones."""

MAX_WARNING = 256
"""Maximum length of a warning in characters. The API server cuts longer ones if all together exceed 4,096."""

_MAX_NOTE = 1000


@dataclass(frozen=True)
class Judgement:
    """The webhook's answer to a request.

    Attributes:
        refusals: All that is wrong, each with the field's path, the rule and what to do. Empty if nothing is.
        warnings: Warnings for the requester, each on one line.
        audit: Notes for the API server's audit log, by name without a prefix.
        busy: Why the requester should try the same request again in a second, or empty.
    """

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)
    busy: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the change is allowed."""
        return not self.refusals and not self.busy

    @property
    def message(self) -> str:
        """The refusal as the requester sees it, cut to `MAX_MESSAGE` characters."""
        text = "\n".join(self.refusals) or self.busy
        return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 2] + " …"

    def join(self, other: Self) -> Self:
        """Return both answers as one. It rejects what either of them rejects."""
        return replace(
            self,
            refusals=(*self.refusals, *other.refusals),
            warnings=(*self.warnings, *other.warnings),
            audit={**self.audit, **other.audit},
            busy=self.busy or other.busy,
        )

    def refuse(self, *refusals: str | None) -> Self:
        """Return the answer with more refusals. None is skipped."""
        return replace(self, refusals=(*self.refusals, *(refusal for refusal in refusals if refusal)))

    def warn(self, *warnings: str | None) -> Self:
        """Return the answer with more warnings. None is skipped."""
        return replace(self, warnings=(*self.warnings, *(_one_line(warning) for warning in warnings if warning)))

    def note(self, **notes: str) -> Self:
        """Return the answer with more notes for the audit log. The name `keys_ended` becomes `keys-ended`."""
        named = {name.replace("_", "-"): text[:_MAX_NOTE] for name, text in notes.items()}
        return replace(self, audit={**self.audit, **named})


def join_names(names: Iterable[str], most: int = 8) -> str:
    """Join names for a sentence. With more than `most`, the rest is given as a number."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _one_line(warning: str) -> str:
    """Return the warning on one line, because the API server drops warnings with a line break or a tab."""
    text = " ".join(warning.split())
    return text if len(text) <= MAX_WARNING else text[: MAX_WARNING - 2] + " …"
