"""The words of the accept page, in each language that it speaks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tenure.domain.roles import Capability, Level

ENGLISH = "en"
"""The language of a page if nobody asks for another one that is known."""


@dataclass(frozen=True)
class Words:
    """The words of one language. A text with braces takes the names between them."""

    language: str
    invitation: str
    invited: str
    """Who is invited to what. It takes `address`, `role` and `organization`."""
    allows: str
    """It takes `role`."""
    capabilities: Mapping[Capability, str]
    levels: Mapping[Level, str]
    contact: str
    expires: str
    accept: str
    decline: str
    again: str
    accepted: str
    accepted_text: str
    """It takes `role` and `organization`."""
    dead: str
    dead_text: str
    dead_advice: str
    busy: str
    busy_text: str
    unavailable: str
    unavailable_text: str


WORDS: Mapping[str, Words] = {
    ENGLISH: Words(
        language=ENGLISH,
        invitation="Join {organization}",
        invited="{address} is invited to the organization {organization}, with the role {role}.",
        allows="What the role {role} allows",
        capabilities={
            Capability.CLUSTERS: "Clusters",
            Capability.BILLING: "Billing",
            Capability.COSTS: "Costs",
            Capability.ORGANIZATION: "The organization itself",
            Capability.MEMBERS: "Inviting and removing members",
        },
        levels={Level.NONE: "no access", Level.VIEW: "view only", Level.FULL: "full access"},
        contact="If you have questions, ask",
        expires="You can accept until",
        accept="Accept the invitation",
        decline="If you don't want to join, you don't have to do anything.",
        again="Nothing was changed yet. Please confirm that you accept.",
        accepted="Welcome to {organization}",
        accepted_text="You accepted the invitation with the role {role}. You can close this page. You get access "
        "within a minute, and you log in as you always do.",
        dead="This link doesn't work",
        dead_text="It may be expired or used already, or there is a newer letter. If you accepted before, all is well.",
        dead_advice="Open the link in the newest letter, as a whole. If that doesn't help, ask the person who invited "
        "you for a new invitation.",
        busy="Too many requests",
        busy_text="Please wait a minute, and open the link again.",
        unavailable="Please try again",
        unavailable_text="We can't look up your invitation right now. It wasn't changed. Please open the link again in "
        "a few minutes.",
    ),
    "de": Words(
        language="de",
        invitation="Einladung zu {organization}",
        invited="{address} ist in die Organisation {organization} eingeladen, mit der Rolle {role}.",
        allows="Was die Rolle {role} erlaubt",
        capabilities={
            Capability.CLUSTERS: "Cluster",
            Capability.BILLING: "Abrechnung",
            Capability.COSTS: "Kosten",
            Capability.ORGANIZATION: "Die Organisation selbst",
            Capability.MEMBERS: "Mitglieder einladen und entfernen",
        },
        levels={Level.NONE: "kein Zugriff", Level.VIEW: "nur ansehen", Level.FULL: "voller Zugriff"},
        contact="Bei Fragen wenden Sie sich an",
        expires="Annehmen können Sie bis",
        accept="Einladung annehmen",
        decline="Wenn Sie nicht beitreten möchten, müssen Sie nichts tun.",
        again="Es wurde noch nichts geändert. Bitte bestätigen Sie, dass Sie annehmen.",
        accepted="Willkommen bei {organization}",
        accepted_text="Sie haben die Einladung mit der Rolle {role} angenommen. Sie können diese Seite schließen. "
        "Innerhalb einer Minute haben Sie Zugriff, und Sie melden sich an wie immer.",
        dead="Dieser Link funktioniert nicht",
        dead_text="Vielleicht ist er abgelaufen oder schon benutzt, oder es gibt eine neuere E-Mail. Wenn Sie schon "
        "angenommen haben, ist alles in Ordnung.",
        dead_advice="Öffnen Sie den vollständigen Link aus der neuesten E-Mail. Wenn das nicht hilft, bitten Sie die "
        "Person, die Sie eingeladen hat, um eine neue Einladung.",
        busy="Zu viele Anfragen",
        busy_text="Bitte warten Sie eine Minute und öffnen Sie den Link noch einmal.",
        unavailable="Bitte versuchen Sie es noch einmal",
        unavailable_text="Ihre Einladung lässt sich gerade nicht nachschlagen. Sie ist unverändert. Bitte öffnen Sie "
        "den Link in einigen Minuten noch einmal.",
    ),
}


def words_of(language: str | None) -> Words:
    """Return the words of a language such as `de` or `de-AT`, or the English ones if it has none."""
    return WORDS.get((language or "").partition("-")[0].lower(), WORDS[ENGLISH])


def preferred(accepted: Iterable[str]) -> Words:
    """Return the words of the first known language in a header `Accept-Language`, whose order browsers keep."""
    names = (part.partition(";")[0].strip() for header in accepted for part in header.split(","))
    return next((words_of(name) for name in names if name.partition("-")[0].lower() in WORDS), WORDS[ENGLISH])
