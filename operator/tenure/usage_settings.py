"""The settings of the record of use, which `tenure run` takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from tenure.options import Setting


def _check_urls(urls: Sequence[str] | None) -> Sequence[str]:
    for url in urls or ():
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{url!r} is not the URL of a verifier, for example http://tenure-verifier-replicas:8080.")
    return list(urls or ())


@dataclass(frozen=True, kw_only=True)
class UsageSettings:
    """Settings of the record of use: where the controller asks when keys were used."""

    usage_urls: Annotated[
        tuple[str, ...],
        Setting(
            "URL of the verifiers, to record when keys were last used. Every address of its host is a replica. Repeat "
            "the option for several hosts. Default: the use of keys isn't recorded.",
            names=("--usage-url",),
            check=_check_urls,
        ),
    ] = ()
    usage_token_file: Annotated[
        Path | None,
        Setting(
            "File with the ServiceAccount token that the verifiers get, for the audience tenure-usage alone. A token "
            "for another audience is never sent."
        ),
    ] = None
    usage_ca_file: Annotated[
        Path | None,
        Setting(
            "File with the authority of the verifiers' certificates. Without it, or if there is no such file: the "
            "authorities that this machine trusts."
        ),
    ] = None
    usage_server_name: Annotated[
        str, Setting("Name in the verifiers' certificates. Default: the host of --usage-url.")
    ] = ""
    usage_interval: Annotated[
        float,
        Setting(
            "Seconds between two questions to the verifiers. If one doesn't answer for three times as long, the use of "
            "keys counts as unknown.",
            min=1,
            max=3600,
            chart="usage.intervalSeconds",
        ),
    ] = 300.0
