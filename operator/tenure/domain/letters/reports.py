"""What Events say about letters: one that a limit holds back, and a language without templates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tenure.domain.letters.delivery import held_until
from tenure.domain.letters.letter import LetterKind
from tenure.domain.letters.limits import Held
from tenure.domain.resources import Organization, Resource


@dataclass(frozen=True)
class Report:
    """A Warning on an object."""

    about: Resource
    reason: str
    note: str
    occurrence: str
    """What it reports, so that the same Event exists once."""

    @property
    def id(self) -> str:
        """The report's name among all."""
        return f"{self.about.metadata.uid}/{self.reason}/{self.occurrence}"


def held_reports(held: Iterable[Held]) -> Iterator[Report]:
    """Yield a report on each member whose letter about a role or about keys is held. Invitations have a status."""
    for one in held:
        letter = one.letter
        if letter.kind is not LetterKind.INVITED:
            note = f"A letter ({letter.kind.value}) is held until {held_until(one)}, because {one.reason}."
            yield Report(letter.member, "LetterHeld", note, letter.id)


def language_remark(wanted: str, used: str) -> str | None:
    """Return that letters are in another language than an organization wants, or None. A region may differ."""
    if wanted.partition("-")[0] == used.partition("-")[0]:
        return None
    return f"in {used}, because there are no templates in {wanted} (spec.invitations.language)"


def language_report(organization: Organization, wanted: str, used: str) -> Report | None:
    """Return a report on an organization whose language has no templates, or None if it has."""
    remark = language_remark(wanted, used)
    if remark is None:
        return None
    return Report(organization, "LanguageMissing", f"Its letters are {remark}.", f"{wanted}/{used}")
