"""The settings of each process: what the models refuse, and what follows from their fields."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tenure.cli import app
from tenure.domain.installation import DEFAULTS, Installation, KubernetesAccess, Limits
from tenure.domain.policy import WhenKeysExist
from tenure.environment import refuse_unknown_variables
from tenure.errors import StartRefusedError
from tenure.impact.options import ImpactOptions
from tenure.mail_settings import SmtpSecurity
from tenure.options import options_of, variables_of
from tenure.revocation.options import RevokeOptions
from tenure.settings import (
    PROCESSES,
    CertificateSettings,
    MailSettings,
    ProcessSettings,
    RunSettings,
    VerifierSettings,
    WebhookSettings,
)
from tenure_dev.paths import CHECKOUT

FILE = Path("file")
REFUSED = {
    "a namespace": ("run --namespace=A/B", "'A/B' is not a valid namespace name"),
    "Tenure's own namespace": ("webhook --system-namespace=A", "'A' is not a valid namespace name"),
    "a limit": ("run --limits=max=1", "'max' is"),
    "a life that is no duration": ("webhook --certificate-life=30d", "'30d' is"),
    "a life that is too short": ("webhook --certificate-life=29s", "Use a duration from 30s to 87600h"),
    "a life that is too long": ("webhook --certificate-life=87601h", "Use a duration from 30s to 87600h"),
    "a moment": ("revoke --issued-before=yesterday", "'yesterday' is"),
    "a membership": ("revoke --issued-before=0s --membership=a,b", "'a,b' is not a valid Membership name"),
    "a URL": ("run --usage-url=verifier:8080", "'verifier:8080' is not the URL of a verifier"),
    "a sender": ("mail --mail-from=Acme", "'Acme' is not an address"),
    "a base URL": ("mail --base-url=acme.io", "'acme.io' is not a URL"),
    "a number": ("run --resync=0.5", "'--resync' (env var: 'TENURE_RESYNC')"),
}


@pytest.mark.parametrize(("line", "says"), REFUSED.values(), ids=REFUSED)
def test_a_value_that_is_not_allowed_is_refused(line: str, says: str) -> None:
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize("model", PROCESSES.values(), ids=PROCESSES)
def test_a_mistyped_variable_is_named_with_the_known_ones(model: type[ProcessSettings]) -> None:
    environ = {"TENURE_LOG_LEVEL": "debug", "TENURE_LOG_LEVLE": "debug", "PATH": "/bin"}
    with pytest.raises(StartRefusedError, match=r"^unknown variable TENURE_LOG_LEVLE\. .*, TENURE_LOG_LEVEL\b"):
        refuse_unknown_variables(variables_of(model), environ)


def test_a_variable_of_another_process_is_unknown() -> None:
    with pytest.raises(StartRefusedError, match="unknown variable TENURE_RESYNC"):
        refuse_unknown_variables(variables_of(VerifierSettings), {"TENURE_RESYNC": "60"})


def test_each_known_variable_is_taken() -> None:
    for model in PROCESSES.values():
        refuse_unknown_variables(variables_of(model), dict.fromkeys(variables_of(model), "x"))


def test_every_option_is_read() -> None:
    trees = [ast.parse(path.read_text()) for path in (CHECKOUT / "operator").rglob("*.py")]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    models = [*PROCESSES.values(), ImpactOptions, RevokeOptions]
    assert {field.name for model in models for field in options_of(model)} <= read


@pytest.mark.parametrize("files", [{"tls_cert_file": FILE}, {"tls_key_file": FILE}])
def test_half_of_a_certificate_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(StartRefusedError, match="belong together"):
        CertificateSettings(**files)


def test_a_certificate_is_both_files_or_none() -> None:
    assert CertificateSettings().certificate is None
    files = CertificateSettings(tls_cert_file=FILE, tls_key_file=Path("key"))
    assert files.certificate == (FILE, Path("key"))


def test_without_options_nothing_is_decided_for_organizations() -> None:
    assert ImpactOptions(base="", head="").installation == DEFAULTS
    assert WebhookSettings().installation == DEFAULTS
    assert RunSettings().installation == DEFAULTS


def test_every_option_for_all_organizations_reaches_them() -> None:
    decided = Installation("oidc:", WhenKeysExist.DENY, Limits(max_per_member=5), KubernetesAccess.ROLES, 7)
    assert not vars(decided).items() & vars(DEFAULTS).items(), "decide this one too"
    webhook = WebhookSettings(
        username_prefix="oidc:", when_keys_exist=WhenKeysExist.DENY, limits="maxPerMember=5", max_keys_per_member=7
    )
    assert webhook.installation == replace(decided, kubernetes_access=DEFAULTS.kubernetes_access)
    run = RunSettings(**vars(webhook), kubernetes_access=KubernetesAccess.ROLES)
    assert run.installation == decided


KEYS: dict[str, Any] = {"signing_keys": FILE, "base_url": "https://acme.io"}
MAIL_REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no sender": ({**KEYS, "smtp_host": "smtp"}, "--smtp-host needs --mail-from"),
    "no links": ({"smtp_host": "smtp", "mail_from": "a@acme.io"}, "--smtp-host needs --base-url"),
    "no signature": ({"base_url": "https://acme.io"}, "--base-url needs --signing-keys"),
    "a login in plain text": (
        {"smtp_credentials": FILE, "smtp_security": SmtpSecurity.NONE},
        "would send the password in plain text",
    ),
}


@pytest.mark.parametrize(("fields", "says"), MAIL_REFUSED.values(), ids=MAIL_REFUSED)
def test_settings_of_mail_that_do_not_fit_together_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(StartRefusedError, match=says):
        MailSettings(**fields)


def test_without_a_host_there_is_no_mail_server_and_with_one_starttls_is_required() -> None:
    assert MailSettings().mail_server is None
    server = MailSettings(**KEYS, smtp_host="smtp", mail_from="a@acme.io").mail_server
    assert server is not None
    assert (server.port, server.security) == (587, SmtpSecurity.STARTTLS)
