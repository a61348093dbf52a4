"""Generate the reference page on letters: what each looks like in each language, with sample data."""

from tenure.domain.letters.letter import LetterKind
from tenure.mail.letters.content import file_of
from tenure.mail.letters.samples import sample
from tenure.mail.letters.templates import Templates
from tenure_dev.generate.reference import GENERATED, table

_HEAD = """\
# Letters

These are the letters that `tenure mail` sends, rendered with sample data. Each has this text and the same as HTML,
with no images or other remote content. [Mail settings](../operations/mail.md#letters) says when they are sent, and how
you replace their templates.

"""
_WHEN = {
    LetterKind.INVITED: "to a new member. With the mode `Notify` it has no link",
    LetterKind.ROLE_CHANGED: "to a member whose role was changed, with the keys that this revoked",
    LetterKind.KEYS_EXPIRING: "before keys expire, to their member or, for service accounts, to the Owners",
    LetterKind.KEYS_REVOKED: "after keys were revoked for another reason than a role change",
}
_VALUES = {
    "organization": "`spec.displayName` of the Organization, or its name. Other characters than letters, digits, "
    "blanks and `-_'&()` are blanks",
    "organization_name, namespace": "Its name and its namespace",
    "address": "The person's e-mail address",
    "role, former_role": "`Owner`, `Member`, `Analyst` or `Viewer`. The former role is none except after a role change",
    "allows": "List of `capability` and `level`, from [the table of roles](roles.md)",
    "contact": "`spec.invitations.contact`, or none",
    "link, expires": "The link to accept, and until when it works. None if the person doesn't have to accept",
    "keys, more_keys": "At most 30 keys, and how many more there are. A key has `name`, `key_id`, `description`, "
    "`member`, `expires`, `last_used`, `unused_since`, `use_known` and `reissued`",
    "language": "The language of the template, for example `de`",
}


def letters_page() -> str:
    """Return the page with each letter in each language."""
    templates = Templates()
    parts = [GENERATED, _HEAD]
    for kind in LetterKind:
        parts.append(f"## {kind.value}\n\nIt goes {_WHEN[kind]}. Templates: `{file_of(kind)}.txt` and `.html`.\n")
        for language in sorted(templates.languages, key=lambda one: (one != "en", one)):
            letter = templates.render(language, kind, sample(kind))
            parts.append(f"\n```text\nSubject: {letter.subject}\n\n{letter.text}```\n")
        parts.append("\n")
    rows = [[f"`{name.replace(', ', '`, `')}`", meaning] for name, meaning in _VALUES.items()]
    parts.append(f"## Values for templates\n\n{table(['Value', 'Meaning'], rows)}")
    return "".join(parts)
