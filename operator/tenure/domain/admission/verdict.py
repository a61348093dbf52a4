"""What is answered to a request: let in or refused, with warnings and with notes for the audit log."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

MAX_MESSAGE = 2000
"""Characters of a refusal: the API server cuts longer ones."""

MAX_WARNING = 256
"""Characters of a warning: the API server cuts longer ones once all together exceed 4,096."""

_MAX_NOTE = 1000


@dataclass(frozen=True)
class Judgement:
    """What is answered to a request.

    Attributes:
        refusals: All that is wrong, each with the field's path, the rule and what to do; empty: it is let in.
        warnings: What whoever made the request should know; one line each.
        audit: Notes for the API server's audit log, by bare names.
        busy: Why the same request should be tried again in a second; empty: it needn't.
    """

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)
    busy: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the change is let in."""
        return not self.refusals and not self.busy

    @property
    def message(self) -> str:
        """The refusal as its reader sees it."""
        text = "\n".join(self.refusals) or self.busy
        return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 2] + " …"

    def join(self, other: Self) -> Self:
        """Both together: what either refuses is refused."""
        return replace(
            self,
            refusals=(*self.refusals, *other.refusals),
            warnings=(*self.warnings, *other.warnings),
            audit={**self.audit, **other.audit},
            busy=self.busy or other.busy,
        )

    def refuse(self, *refusals: str | None) -> Self:
        """The same with more that is wrong; None: nothing is."""
        return replace(self, refusals=(*self.refusals, *(refusal for refusal in refusals if refusal)))

    def warn(self, *warnings: str | None) -> Self:
        """The same with more to know; None: nothing."""
        return replace(self, warnings=(*self.warnings, *(_one_line(warning) for warning in warnings if warning)))

    def note(self, **notes: str) -> Self:
        """The same with more for the audit log; `keys_ended` becomes `keys-ended`."""
        named = {name.replace("_", "-"): text[:_MAX_NOTE] for name, text in notes.items()}
        return replace(self, audit={**self.audit, **named})


def join_names(names: Iterable[str], most: int = 8) -> str:
    """Names in a sentence, the first few of many."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _one_line(warning: str) -> str:
    """A warning that the API server passes on: it drops those with a line break or a tab."""
    text = " ".join(warning.split())
    return text if len(text) <= MAX_WARNING else text[: MAX_WARNING - 2] + " …"
