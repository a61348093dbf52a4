"""What kubectl says about a change: its exit code, the warnings, and the words of a refusal."""

import re
from dataclasses import dataclass

from support.api.kubectl import NamespacedKubectl

_DENIED = re.compile(r'admission webhook "(?P<webhook>[a-z.]+)" denied the request: (?P<words>.*)', re.DOTALL)
_WARNING = "Warning: "
_FACTS = re.compile(r"\([0-9A-Za-z]{12}, \d+ (?:s|min|h|d) old(, expires in \d+ (?:s|min|h|d))?\)")


@dataclass(frozen=True)
class Speech:
    """What kubectl printed, and how it ended."""

    code: int
    output: str
    errors: str
    """Standard error, as it is."""

    @property
    def warnings(self) -> list[str]:
        """The warnings on standard error, in their order."""
        return [line.removeprefix(_WARNING) for line in self.errors.splitlines() if line.startswith(_WARNING)]

    @property
    def refusal(self) -> str:
        """The words of the webhook that refused the change; empty: none did."""
        said = "\n".join(line for line in self.errors.splitlines() if not line.startswith(_WARNING))
        found = _DENIED.search(said)
        return found["words"].strip() if found else ""

    @property
    def passed(self) -> bool:
        """Whether the change was made, or would be."""
        return self.code == 0

    @property
    def plain(self) -> tuple[bool, list[str], str]:
        """Verdict, warnings and refusal, without what differs from one moment to the next."""
        return self.passed, [plain(warning) for warning in self.warnings], plain(self.refusal)


def say(kubectl: NamespacedKubectl, *args: str, input: str | None = None, as_user: str | None = None) -> Speech:  # noqa: A002
    """Run kubectl, and hear what it says."""
    result = kubectl(*args, input=input, check=False, as_user=as_user)
    return Speech(result.returncode, result.stdout, result.stderr)


def plain(text: str) -> str:
    """A text with `(<key>)` or `(<key>, expires)` in place of a key's public id, age and expiry."""
    return _FACTS.sub(lambda found: "(<key>, expires)" if found[1] else "(<key>)", text)
