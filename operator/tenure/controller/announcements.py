"""Keeps the tokens that this process announced in memory until it delivers them. No other place has them till then."""

from datetime import datetime
from typing import NamedTuple

from tenure.controller.refs import Ref
from tenure.domain.planning.observation import Announced
from tenure.domain.tokens import Token


class _Kept(NamedTuple):
    token: Token
    deliver_at: datetime


class Announcements:
    """The announced tokens, by the address of their keys."""

    def __init__(self) -> None:
        self._kept: dict[Ref, _Kept] = {}

    def keep(self, ref: Ref, token: Token, deliver_at: datetime) -> None:
        """Keep a token for its delivery, in place of an earlier one."""
        self._kept[ref] = _Kept(token, deliver_at)

    def token(self, ref: Ref, token_hash: str) -> Token | None:
        """The announced token of a key, or None if it is another one than the status names."""
        kept = self._kept.get(ref)
        return kept.token if kept is not None and kept.token.hash == token_hash else None

    def announced(self, ref: Ref) -> Announced | None:
        """What the plan for a key needs to know of its announced token. None if there is none."""
        kept = self._kept.get(ref)
        return None if kept is None else Announced(kept.token.hash, kept.deliver_at)

    def forget(self, ref: Ref) -> None:
        """Drop the token of a key, because it was delivered or the key is gone."""
        self._kept.pop(ref, None)
