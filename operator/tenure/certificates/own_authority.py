"""The webhook's own certificate authority, in a Secret that all replicas share."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tenure.certificates.authority import Authority, KeyPair
from tenure.certificates.keeper import load_pair, server_context
from tenure.errors import ConflictError
from tenure.kube.authorities import StoredAuthorities, read_authorities, write_authorities
from tenure.kube.cluster import Cluster
from tenure.kube.names import AUTHORITIES_SECRET
from tenure.kube.webhooks import read_registration, trust

log = logging.getLogger("tenure.tls")

_ATTEMPTS = 5
_LOOKS_PER_LIFE = 12
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass
class OwnAuthority:
    """Issues certificates by an authority in a Secret that all replicas share, and makes the API server trust it."""

    cluster: Cluster
    namespace: str
    hosts: Sequence[str]
    life: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        self.context = server_context()
        self._pair: KeyPair | None = None
        self._signed_by: Authority | None = None

    @property
    def pause(self) -> float:
        """Seconds until `look` should be called again."""
        return min(self.life / _LOOKS_PER_LIFE, _LONGEST_PAUSE).total_seconds()

    @property
    def served(self) -> KeyPair | None:
        """The certificate that is served, or None if there is none yet."""
        return self._pair

    @property
    def _settling(self) -> timedelta:
        """Maximum time until every API server trusts a new authority. Each replica sees to that at its next `look`."""
        return 2 * timedelta(seconds=self.pause)

    async def look(self) -> bool:
        """Renew what is due: the authority in the Secret, the API server's trust in it, the certificate.

        Returns whether the certificate was replaced.
        """
        authorities = await self._trusted_authorities()
        signer = self._signer(authorities)
        now = self.now()
        if self._pair is not None and signer == self._signed_by and now < self._pair.renewal:
            return False
        self._pair, self._signed_by = signer.sign(self.hosts, now, self.life), signer
        load_pair(self.context, self._pair)
        log.info("Issued a certificate for %s, valid until %s", ", ".join(self.hosts), self._pair.ends)
        return True

    async def _trusted_authorities(self) -> list[Authority]:
        """Return the authorities in the Secret, after making the API server trust them."""
        for _ in range(_ATTEMPTS):
            # The configuration is read before the Secret, and written only if it hasn't changed since. Otherwise a
            # replica that was held up in between would remove the trust in an authority that it doesn't know yet.
            registration = await read_registration(self.cluster)
            authorities = await self._authorities()
            bundle = b"".join(authority.certificate for authority in authorities)
            if registration is None:
                log.warning("The webhooks are off: ValidatingWebhookConfiguration tenure was deleted")
                return authorities
            if all(trusted == bundle for trusted in registration.bundles.values()):
                return authorities
            try:
                await trust(self.cluster, registration, bundle)
            except ConflictError:
                continue
            log.info("Wrote the caBundle of ValidatingWebhookConfiguration tenure (authorities: %d)", len(authorities))
            return authorities
        raise ConflictError("ValidatingWebhookConfiguration tenure keeps changing")

    async def _authorities(self) -> list[Authority]:
        """Return the authorities in the Secret, newest first, after adding a successor if the newest is due."""
        for _ in range(_ATTEMPTS):
            stored = await read_authorities(self.cluster, self.namespace)
            known = _unpack(stored)
            if known and self.now() < known[0].renewal:
                return known
            if not known and self._signed_by is not None:
                # The Secret was deleted or damaged, but a certificate of its authority is still served.
                known = [self._signed_by]
            # An authority that expires before its successor is trusted everywhere is useless.
            usable = [authority for authority in known[:1] if authority.ends > self.now() + self._settling]
            renewed = [Authority.create(self.now(), self.life), *usable]
            if await write_authorities(self.cluster, self.namespace, _pack(renewed, stored)):
                log.info("Created a webhook authority, valid until %s", renewed[0].ends)
                return renewed
        raise ConflictError("the Secret of the webhook's authority keeps changing")

    def _signer(self, authorities: Sequence[Authority]) -> Authority:
        """The newest authority that every API server has had time to trust, or else the oldest one."""
        settled = self.now() - self._settling
        return next((authority for authority in authorities if authority.made <= settled), authorities[-1])


def _unpack(stored: StoredAuthorities) -> list[Authority]:
    """The usable authorities of the Secret. Others are logged and treated as if they weren't there."""
    found = []
    for name in ("ca", "previous"):
        certificate, key = stored.files.get(f"{name}.crt"), stored.files.get(f"{name}.key")
        if certificate and key:
            authority = Authority(certificate, key)
            try:
                authority.check()
            except ValueError as error:
                log.warning("Ignoring %s.crt and %s.key in Secret %s: %s", name, name, AUTHORITIES_SECRET, error)
            else:
                found.append(authority)
    return found


def _pack(authorities: Sequence[Authority], stored: StoredAuthorities) -> StoredAuthorities:
    files: dict[str, bytes] = {}
    for name, authority in zip(("ca", "previous"), authorities, strict=False):
        files |= {f"{name}.crt": authority.certificate, f"{name}.key": authority.key}
    return StoredAuthorities(files, stored.resource_version)
