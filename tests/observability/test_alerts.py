"""Each alert fires when it should and not otherwise, by Prometheus' own tool, and has a runbook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cases.rules import play, promtool, rules, write_rules
from tenure.observability.catalogue import MOST_NAMED_KEYS
from tenure_dev.paths import CHECKOUT

DAY = 86_400
RUNBOOKS = CHECKOUT / "docs" / "runbooks"


@dataclass(frozen=True)
class Case:
    """Series, a value a minute, and the labels with which the alert then fires; none: it doesn't."""

    series: Mapping[str, str]
    at: str
    firing: Sequence[Mapping[str, str]] = ()
    never: bool = False
    """Whether it hasn't fired before either."""


CRITICAL, WARNING = {"severity": "critical"}, {"severity": "warning"}
ACME = 'organization_namespace="acme", organization="acme"'
ACME_LABELS = {"organization_namespace": "acme", "organization": "acme"}
REFUSED = 'tenure_admission_total{kind="Membership", operation="DELETE", verdict="refused", dry_run="%s", pod="w"}'
FAILED = 'tenure_admission_total{kind="ApiKey", operation="CREATE", verdict="failed", dry_run="false", pod="w"}'
UP = 'up{job="j", instance="%s"}'
REJECTED = (
    "apiserver_admission_webhook_rejection_count{"
    'name="%s", error_type="%s", operation="UPDATE", type="validating", job="j", instance="%s"}'
)
OPEN = 'apiserver_admission_webhook_fail_open_count{name="%s", type="validating", job="j", instance="%s"}'
OURS, OTHERS = "memberships.tenure.dev", "pods.example.com"
RECONCILED = 'tenure_reconcile_duration_seconds_count{queue="objects", kind="ApiKey", outcome="%s"}'
EXPIRING = f"tenure_organization_keys_expiring{{{ACME}}}"
HITS = 'tenure_dead_key_hits_total{key_id="abc", job="j", instance="%s"}'
REQUESTS = 'tenure_api_requests_total{method="GET", code="%s", namespace="tenure-system", pod="%s", instance="%s"}'
AWAY = 'tenure_api_server_away_seconds{namespace="tenure-system", pod="%s", instance="%s"}'
EXPIRES = "tenure_webhook_certificate_expiry_timestamp_seconds{}"
RENEWED = "tenure_webhook_certificate_renewal_timestamp_seconds{}"
VERIFIER_EXPIRES = EXPIRES.replace("webhook", "verifier")
VERIFIER_RENEWED = RENEWED.replace("webhook", "verifier")
MAIL_EXPIRES, MAIL_RENEWED = (name.replace("webhook", "mail") for name in (EXPIRES, RENEWED))


def of_late_counters(series: str, *, fires: Mapping[str, str], lasts: int) -> Mapping[str, Case]:
    """What a rule must tell apart whose counter appears with its first event; `%s` is the target's address.

    `lasts`: for how many minutes it fires after an event.
    """
    a, b = series % "a", series % "b"
    up_a, up_b = UP % "a", UP % "b"
    firing = [fires]
    return {
        "the first": Case({up_a: "1x60", a: "_x20 1x40"}, "22m", firing),
        "one more": Case({up_a: "1x60", a: "3x20 4x40"}, "22m", firing),
        "it is over": Case({up_a: "1x200", a: "_x5 1x200"}, f"{5 + lasts + 2}m"),
        "it isn't over yet": Case({up_a: "1x200", a: "_x5 1x200"}, f"{5 + lasts - 1}m", firing),
        "long ago": Case({up_a: "1x90", a: "3x90"}, "90m", never=True),
        "a scrape fails": Case({up_a: "1x10 0 1x90", a: "1x10 stale 1x90"}, "90m", never=True),
        "scrapes fail for long": Case({up_a: "1x10 0x30 1x90", a: "1x10 stale _x30 1x90"}, "120m", never=True),
        "Prometheus was away": Case({up_a: "1x10 _x30 1x90", a: "1x10 _x30 1x90"}, "120m", never=True),
        "Prometheus lost its storage": Case({up_a: "_x10 1x90", a: "_x10 1000x90"}, "90m", never=True),
        "the process starts anew": Case({up_a: "1x90", a: "5x10 stale"}, "90m", never=True),
        "it starts anew and counts its first": Case({up_a: "1x90", a: "5x10 stale _x20 1x40"}, "33m", firing),
        "it starts anew and counts at once": Case({up_a: "1x90", a: "5x10 2x40"}, "12m", firing),
        "soon after a start": Case({up_a: "_x10 1x60", a: "_x12 1x40"}, "16m", firing),
        "another process counts its first": Case(
            {up_a: "1x90", up_b: "1x90", a: "7x90", b: "_x20 1x40"}, "22m", firing
        ),
        "one starts anew while another counts": Case(
            {up_a: "1x90", up_b: "1x90", a: "7x20 stale", b: "1x20 2x40"}, "22m", firing
        ),
        "another process goes": Case({up_a: "1x90", up_b: "1x20 stale", a: "1x90", b: "7x20 stale"}, "90m", never=True),
    }


CASES: Mapping[str, Mapping[str, Case]] = {
    "TenureNoLeader": {
        "nothing is scraped": Case({}, "3m", [CRITICAL]),
        "all wait": Case({'tenure_leader{pod="a"}': "0x10", 'tenure_leader{pod="b"}': "0x10"}, "5m", [CRITICAL]),
        "it went": Case({'tenure_leader{pod="a"}': "1x5 stale"}, "9m", [CRITICAL]),
        "one leads": Case({'tenure_leader{pod="a"}': "0x10", 'tenure_leader{pod="b"}': "1x10"}, "10m"),
        "another takes over": Case({'tenure_leader{pod="a"}': "1x4 0x5", 'tenure_leader{pod="b"}': "0x5 1x5"}, "10m"),
    },
    "TenureNotReady": {
        "for long": Case(
            {
                'tenure_ready{component="webhook", pod="a"}': "0x20",
                'tenure_ready{component="webhook", pod="b"}': "1x20",
            },
            "15m",
            [{**WARNING, "component": "webhook"}],
        ),
        "at a start": Case({'tenure_ready{component="controller"}': "0x5 1x20"}, "15m"),
        "a verifier, which has an alert of its own": Case({'tenure_ready{component="verifier"}': "0x20"}, "15m"),
    },
    "TenureWatchDead": {
        "it is dead": Case(
            {'tenure_watch_lag_seconds{kind="Membership"}': "0+60x10"}, "6m", [{**CRITICAL, "kind": "Membership"}]
        ),
        "it is slow": Case({'tenure_watch_lag_seconds{kind="Membership"}': "5 20 3 60 0 100 0"}, "6m"),
    },
    "TenureQueueStuck": {
        "for long": Case(
            {'tenure_queue_oldest_seconds{queue="objects"}': "0+60x20"}, "15m", [{**WARNING, "queue": "objects"}]
        ),
        "a burst": Case({'tenure_queue_oldest_seconds{queue="objects"}': "0 60 120 180 0x10"}, "15m"),
    },
    "TenureReconcileFailing": {
        "again and again": Case(
            {RECONCILED % "failed": "0+1x60"}, "50m", [{**WARNING, "queue": "objects", "kind": "ApiKey"}]
        ),
        "once": Case({RECONCILED % "failed": "0x10 5x60"}, "50m"),
        "conflicts and users' troubles": Case(
            {RECONCILED % "failed": "0x60", RECONCILED % "conflict": "0+9x60", RECONCILED % "waits": "0+9x60"}, "50m"
        ),
    },
    "TenureApiServerFailing": {
        "one pod of many gets no answers": Case(
            {
                REQUESTS % ("200", "a", "a"): "0+6x30",
                REQUESTS % ("0", "a", "a"): "0+1x30",
                REQUESTS % ("503", "a", "a"): "0+1x30",
                REQUESTS % ("200", "b", "b"): "0+600x30",
                REQUESTS % ("200", "c", "c"): "0+600x30",
            },
            "20m",
            [{**WARNING, "namespace": "tenure-system", "pod": "a", "instance": "a"}],
        ),
        "users' errors and conflicts": Case(
            {
                REQUESTS % ("200", "a", "a"): "0+60x30",
                REQUESTS % ("404", "a", "a"): "0+60x30",
                REQUESTS % ("409", "a", "a"): "0+60x30",
                REQUESTS % ("503", "a", "a"): "0+1x30",
            },
            "20m",
        ),
    },
    "TenureApiServerAway": {
        "for three minutes": Case(
            {AWAY % ("a", "a"): "0x5 30 90 150 210", AWAY % ("b", "b"): "0x20"},
            "8m",
            [{**CRITICAL, "namespace": "tenure-system", "pod": "a", "instance": "a"}],
        ),
        "for a moment": Case({AWAY % ("a", "a"): "0x5 60 0x20"}, "10m", never=True),
    },
    "TenureKeyExpiring": {
        "soon": Case(
            {f'tenure_key_expiry_timestamp_seconds{{{ACME}, key="ci", pod="a"}}': f"{6 * DAY}x90"},
            "70m",
            [{**WARNING, **ACME_LABELS, "key": "ci"}],
        ),
        "many that were issued together": Case(
            {f'tenure_key_expiry_timestamp_seconds{{{ACME}, key="{name}"}}': f"{6 * DAY}x90" for name in ("ci", "cd")},
            "70m",
            [{**WARNING, **ACME_LABELS, "key": name} for name in ("ci", "cd")],
        ),
        "late": Case({f'tenure_key_expiry_timestamp_seconds{{{ACME}, key="ci"}}': f"{8 * DAY}x90"}, "70m"),
        "replaced in time": Case(
            {
                f'tenure_key_expiry_timestamp_seconds{{{ACME}, key="ci"}}': f"{6 * DAY}x30 stale",
                f'tenure_key_expiry_timestamp_seconds{{{ACME}, key="next"}}': f"_x30 {90 * DAY}x60",
            },
            "70m",
        ),
    },
    "TenureManyKeysExpiring": {
        "more than are named": Case(
            {EXPIRING: f"{MOST_NAMED_KEYS + 1}x90"},
            "70m",
            [{**WARNING, **ACME_LABELS}],
        ),
        "as many as are named": Case({EXPIRING: f"{MOST_NAMED_KEYS}x90"}, "70m", never=True),
    },
    "TenureRotationOverdue": {
        "for long": Case({"tenure_rotations_overdue": "0 2x30"}, "20m", [WARNING]),
        "soon done": Case({"tenure_rotations_overdue": "2x10 0x20"}, "20m", never=True),
    },
    "TenureOrganizationWithoutOwner": {
        "for long": Case({f"tenure_organization_owners{{{ACME}}}": "1 0x30"}, "20m", [{**WARNING, **ACME_LABELS}]),
        "new": Case({f"tenure_organization_owners{{{ACME}}}": "0x10 1x20"}, "20m"),
    },
    "TenureDeleteRefused": {
        "a change": Case({REFUSED % "false": "0x5 1x30"}, "10m", [{**WARNING, "kind": "Membership"}]),
        "a dry-run": Case({REFUSED % "false": "0x35", REFUSED % "true": "0x5 1x30"}, "10m"),
        "long ago": Case({REFUSED % "false": "0x5 1x30"}, "30m"),
        "deletes that pass": Case({REFUSED.replace("refused", "allowed") % "false": "0+1x30"}, "10m"),
    },
    "TenureAdmissionFailing": {
        "for some time": Case({FAILED: "0+1x30"}, "15m", [{**WARNING, "kind": "ApiKey"}]),
        "refused by the rules": Case({FAILED.replace("failed", "refused"): "0+1x30"}, "15m"),
    },
    "TenureWebhookDown": {
        **of_late_counters(REJECTED % (OURS, "calling_webhook_error", "%s"), fires={**CRITICAL, "name": OURS}, lasts=5),
        "refusals by the rules": Case(
            {UP % "a": "1x90", REJECTED % (OURS, "no_error", "a"): "_x5 1+1x30"}, "30m", never=True
        ),
        "another webhook": Case(
            {UP % "a": "1x90", REJECTED % (OTHERS, "calling_webhook_error", "a"): "_x5 1+1x30"}, "30m", never=True
        ),
    },
    "TenureWebhookFailsOpen": {
        **of_late_counters(OPEN % (OURS, "%s"), fires={**CRITICAL, "name": OURS}, lasts=65),
        "another webhook": Case({UP % "a": "1x90", OPEN % (OTHERS, "a"): "_x5 1+1x30"}, "30m", never=True),
    },
    "TenureCertificateExpiring": {
        "it isn't renewed": Case(
            {EXPIRES: "6000x200", RENEWED: "4000x200"}, "90m", [{**CRITICAL, "component": "webhook"}]
        ),
        "a verifier's isn't renewed": Case(
            {
                EXPIRES: "60000x200",
                RENEWED: "40000x200",
                VERIFIER_EXPIRES: "6000x200",
                VERIFIER_RENEWED: "4000x200",
            },
            "90m",
            [{**CRITICAL, "component": "verifier"}],
        ),
        "the accept page's isn't renewed": Case(
            {MAIL_EXPIRES: "6000x200", MAIL_RENEWED: "4000x200"}, "90m", [{**CRITICAL, "component": "mail"}]
        ),
        "it is due": Case({EXPIRES: "6000x200", RENEWED: "4000x200"}, "70m"),
        "it was renewed": Case({EXPIRES: "6000x70 12000x100", RENEWED: "4000x70 8000x100"}, "90m"),
    },
    "TenureWebhookRewritten": {
        "all replicas see it": Case(
            {
                'tenure_webhook_registration_altered{pod="a"}': "0x5 1x10",
                'tenure_webhook_registration_altered{pod="b"}': "0x6 1x10",
            },
            "10m",
            [CRITICAL],
        ),
        "a new version rolls out": Case(
            {
                'tenure_webhook_registration_altered{pod="old"}': "0x5 1x10",
                'tenure_webhook_registration_altered{pod="new"}': "_x5 0x10",
            },
            "15m",
            never=True,
        ),
        "it was restored": Case({"tenure_webhook_registration_altered{}": "0x5 1 0x10"}, "15m", never=True),
    },
    "TenureVerifierStale": {
        "one of two": Case(
            {
                'tenure_ready{component="verifier", pod="a"}': "1x20",
                'tenure_ready{component="verifier", pod="b"}': "0x20",
            },
            "5m",
            [CRITICAL],
        ),
        "none is there": Case({'tenure_ready{component="webhook"}': "1x20"}, "5m", [CRITICAL]),
        "all prove": Case({'tenure_ready{component="verifier"}': "1x20"}, "5m"),
        "for a moment": Case({'tenure_ready{component="verifier"}': "1x5 0 1x20"}, "8m"),
    },
    "TenureAcceptPageFailing": {
        "for long": Case({'tenure_mail_page_answers_total{answer="unavailable"}': "0+1x30"}, "20m", [WARNING]),
        "once": Case({'tenure_mail_page_answers_total{answer="unavailable"}': "0x5 3x30"}, "20m", never=True),
        "dead links": Case({'tenure_mail_page_answers_total{answer="dead"}': "0+9x30"}, "20m"),
    },
    "TenureMailServerFailing": {
        "for long": Case({"tenure_mail_server_trouble_seconds": "0+60x30"}, "20m", [WARNING]),
        "for a moment": Case({"tenure_mail_server_trouble_seconds": "0 60 120 0x30"}, "20m", never=True),
    },
    "TenureMailStuck": {
        "for long": Case(
            {"tenure_mail_oldest_seconds": "0+60x90", "tenure_mail_server_trouble_seconds": "0x90"}, "80m", [WARNING]
        ),
        "because of the mail server": Case(
            {"tenure_mail_oldest_seconds": "0+60x90", "tenure_mail_server_trouble_seconds": "0+60x90"},
            "80m",
            never=True,
        ),
        "for half an hour": Case({"tenure_mail_oldest_seconds": "0+60x30 0x60"}, "80m", never=True),
    },
    "TenureMailRejected": {
        "many": Case({'tenure_mail_letters_total{kind="Invited", outcome="rejected"}': "0+1x30"}, "20m", [WARNING]),
        "a few": Case({'tenure_mail_letters_total{kind="Invited", outcome="rejected"}': "0x5 3x60"}, "20m", never=True),
        "sent ones": Case({'tenure_mail_letters_total{kind="Invited", outcome="sent"}': "0+9x30"}, "20m", never=True),
    },
    "TenureDeadKeyUsed": of_late_counters(HITS, fires={**WARNING, "key_id": "abc"}, lasts=20),
}
PLAYED = [
    pytest.param(alert, case, id=f"{alert}: {name}") for alert, cases in CASES.items() for name, case in cases.items()
]


def test_the_rules_are_as_prometheus_wants_them(tmp_path: Path) -> None:
    assert f"{len(CASES)} rules found" in promtool(
        "check", "rules", "--lint=all", "--lint-fatal", write_rules(tmp_path)
    )


@pytest.mark.parametrize(("alert", "case"), PLAYED)
def test_an_alert_fires_when_it_should(tmp_path: Path, alert: str, case: Case) -> None:
    play(tmp_path, case.series, alert, case.at, case.firing, never=case.never)


def test_each_alert_is_shown_to_fire_and_to_be_quiet() -> None:
    assert CASES.keys() == {rule["alert"] for rule in rules()}
    for alert, cases in CASES.items():
        assert {bool(case.firing) for case in cases.values()} == {True, False}, alert


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_has_a_runbook_that_says_what_it_means_how_to_see_it_and_what_to_do(alert: str) -> None:
    (rule,) = (rule for rule in rules() if rule["alert"] == alert)
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description"} <= rule["annotations"].keys()
    text = (RUNBOOKS / f"{alert}.md").read_text()
    title, *sections = (line for line in text.splitlines() if line.startswith(("# Tenure", "## ")))
    assert (title, sections) == (f"# {alert}", ["## How to see it", "## What to do"])


def test_no_runbook_is_for_an_alert_that_is_gone() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("Tenure*.md")}
    assert pages == CASES.keys()
