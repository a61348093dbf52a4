"""Makes text safe to show that users choose, such as the description of a key."""

import json


def printable(text: str) -> str:
    """Return a text on one line, with an escape for each character that isn't visible or changes the direction."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` characters, which ends with an ellipsis if it was longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def quoted(text: str, most: int) -> str:
    """Return the beginning of a text in quotation marks, with at most `most` characters between them.

    No text can end the quotation marks, so nobody takes it for the words around it.
    """
    return f'"{shortened(printable(json.dumps(text, ensure_ascii=False)[1:-1]), most)}"'
