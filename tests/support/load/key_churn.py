"""Keys that come and go as a load."""

from dataclasses import dataclass

from support.load.load import Call
from support.objects import manifests
from tenure.domain.resources.base import API_VERSION

_KEYS = f"/apis/{API_VERSION}/namespaces/acme/apikeys"
_DELETION = {"apiVersion": "v1", "kind": "DeleteOptions"}


@dataclass(frozen=True)
class KeyChurn:
    """Keys of some members of acme: one is created, and one deleted that is older by so many."""

    prefix: str
    members: int
    older: int

    def call(self, number: int) -> Call:
        """A creation and a deletion in turn; no name is used twice."""
        turn, deletes = divmod(number, 2)
        if deletes:
            return Call(f"{_KEYS}/{self._name(turn - self.older)}", _DELETION, method="DELETE")
        member = f"{self.prefix}-{turn % self.members}"
        return Call(_KEYS, manifests.api_key(self._name(turn), member), method="POST")

    def _name(self, turn: int) -> str:
        return f"{self.prefix}-{turn}"
