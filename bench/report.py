"""The tables that are printed and the file that is kept."""

import dataclasses
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.admission import WEBHOOKS
from bench.cells import (
    OTHERS,
    Column,
    call_cells,
    cpu_cells,
    gone_cell,
    known,
    latency_cells,
    memory_cells,
    milliseconds,
    percent,
)
from bench.console import MANY
from bench.figures import (
    Admission,
    Background,
    Backlog,
    Bytes,
    ColdStart,
    Deciding,
    Issuing,
    Limit,
    Outcome,
    Pages,
    Revoking,
    RoleChange,
    Start,
    Takeover,
    Verifying,
)
from bench.operators import BARE, OPERATORS, ROTATION
from bench.targets import Target
from bench.verify import EMPTY_SERVER, FORMER, TWO, UNRECORDED

RESULTS = Path(__file__).resolve().parent / "results"

_OTHER = (ROTATION, UNRECORDED, TWO, FORMER, EMPTY_SERVER, BARE, MANY)
_LABELS = {operator.name: operator.label for operator in (*OPERATORS, *WEBHOOKS, *_OTHER)}
_PACKAGES = ("tenure", "kopf", "kubernetes", "aiohttp", "pydantic")


def print_scenario(console: Console, title: str, outcomes: Sequence[Outcome]) -> None:
    """Print a table for each kind of figures in a scenario, the operators side by side."""
    for kind, cells, caption in _KINDS:
        columns = {_LABELS[each.operator]: cells(each) for each in outcomes if isinstance(each.figures, kind)}
        if not columns:
            continue
        table = Table("", title=f"{title}{caption}", title_justify="left", title_style="bold")
        for label in columns:
            table.add_column(label, justify="right")
        for heading in next(iter(columns.values())):
            table.add_row(heading, *(column[heading] for column in columns.values()))
        console.print(table)


def print_targets(console: Console, targets: Sequence[Target]) -> None:
    """Print the targets beside the figures."""
    table = Table(title="Targets for Tenure", title_justify="left", title_style="bold")
    for heading in ("scenario", "what", "target", "measured", ""):
        table.add_column(heading, justify="right" if heading in {"target", "measured"} else "left")
    for target in targets:
        mark = "[green]met[/]" if target.met else "[red]missed[/]"
        table.add_row(target.scenario, target.what, target.wanted, target.measured, mark)
    console.print(table)


def keep(outcomes: Sequence[Outcome], targets: Sequence[Target], titles: Mapping[str, str]) -> Path:
    """Write everything as JSON and return the file."""
    now = datetime.now(UTC)
    document = {
        "date": now.isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "packages": {name: version(name) for name in _PACKAGES},
        "scenarios": titles,
        "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes],
        "targets": [dataclasses.asdict(target) for target in targets],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%dT%H-%M-%SZ}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _issuing_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Issuing)  # noqa: S101 - chosen by this very class
    return {
        "issued": f"{figures.issued:,}"
        if figures.issued == figures.keys
        else f"{figures.issued:,} of {figures.keys:,}",
        "keys/s": f"{figures.keys_per_second:.0f}",
        "asked until done, p50": milliseconds(figures.p50_ms),
        "asked until done, p99": milliseconds(figures.p99_ms),
        **cpu_cells(figures.cpu),
        **memory_cells(figures.memory),
        **call_cells(figures.calls, figures.issued),
    }


def _role_change_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, RoleChange)  # noqa: S101 - chosen by this very class
    return {
        "last Secret gone": gone_cell(figures.secrets_seconds, figures.secrets_gone, figures.keys),
        "last ApiKey gone": gone_cell(figures.keys_seconds, figures.keys_gone, figures.keys),
        **cpu_cells(figures.cpu),
        **memory_cells(figures.memory),
        **call_cells(figures.calls, figures.keys),
    }


def _cold_start_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, ColdStart)  # noqa: S101 - chosen by this very class
    return {
        "quiet after": "never" if figures.quiet_seconds is None else f"{figures.quiet_seconds:.1f} s",
        "CPU": f"{figures.cpu_seconds:.1f} s",
        OTHERS: f"{figures.others_percent:.0f} %",
        **memory_cells(figures.memory),
        "writes": f"{figures.calls.writes}",
        "reads": f"{figures.calls.gets}",
        "lists": f"{figures.calls.lists}",
    }


def _start_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Start)  # noqa: S101 - chosen by this very class
    return {
        "keys, members": f"{figures.keys:,}, {figures.members:,}",
        "ready after": f"{figures.ready_seconds:.1f} s",
        "CPU until then": f"{figures.ready_cpu:.1f} s",
        "quiet after": "never" if figures.quiet_seconds is None else f"{figures.quiet_seconds:.1f} s",
        "CPU until quiet": f"{figures.cpu_seconds:.1f} s",
        OTHERS: f"{figures.others_percent:.0f} %",
        **memory_cells(figures.memory),
        "writes": f"{figures.calls.writes}",
        "reads": f"{figures.calls.gets}",
        "lists": f"{figures.calls.lists}",
    }


def _bytes_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Bytes)  # noqa: S101 - chosen by this very class
    return {owner: f"{count:,.0f} bytes" for owner, count in figures.by_owner.items()}


def _takeover_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Takeover)  # noqa: S101 - chosen by this very class
    return {
        "the Lease lasts": f"{figures.lease_seconds:.0f} s",
        "the standby holds it after": f"{figures.held_seconds:.1f} s",
        "and issues a new key after": f"{figures.issued_seconds:.1f} s",
    }


def _page_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Pages)  # noqa: S101 - chosen by this very class
    return {
        "size of the page": f"{figures.page_bytes / 1000:.0f} kB",
        "CPU per page": f"{figures.cpu_ms:.0f} ms",
        "p50": f"{figures.p50_ms:.0f} ms",
        "p99": f"{figures.p99_ms:.0f} ms",
        OTHERS: f"{figures.others_percent:.0f} %",
        **memory_cells(figures.memory),
    }


def _backlog_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Backlog)  # noqa: S101 - chosen by this very class
    return {
        "watching after": f"{figures.watching_seconds:.1f} s",
        "issued": f"{figures.issued:,} of {figures.keys:,}",
        "keys/s": f"{figures.keys_per_second:.0f}",
        **latency_cells("health", figures.health),
        **latency_cells("review, with the API server's share", figures.reviews),
        "reviews rejected": f"{figures.reviews_rejected}",
        "longest time between two renewals": f"{figures.renewal_gap_seconds:.1f} s",
        f"role change until Secrets are gone, {figures.revocations} times": f"{figures.revoked_seconds:.2f} s",
        "the same, at most": f"{figures.revoked_most_seconds:.2f} s",
        **{f"event loop delayed by {bound} s at most": f"{count:,}" for bound, count in figures.loop_delays.items()},
        "CPU": f"{figures.cpu_seconds:.1f} s",
        OTHERS: f"{figures.others_percent:.0f} %",
        **memory_cells(figures.memory),
    }


def _background_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Background)  # noqa: S101 - chosen by this very class
    return {
        "CPU": f"{figures.cpu_percent:.1f} %",
        OTHERS: f"{figures.others_percent:.0f} %",
        "reads/s": f"{figures.gets_per_second:.1f}",
        "writes": f"{figures.writes}",
        **memory_cells(figures.memory),
    }


def _limit_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Limit)  # noqa: S101 - chosen by this very class
    return {"keys": f"{figures.keys:,}", "keys/s": f"{figures.keys_per_second:.0f}"}


def _admission_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Admission)  # noqa: S101 - chosen by this very class
    return {
        "role changes": f"{figures.changes:,}",
        "the whole change, p50": f"{figures.request_p50_ms:.1f} ms",
        "the whole change, p99": f"{figures.request_p99_ms:.1f} ms",
        "at our own listener, p50": known(figures.own_p50_ms),
        "at our own listener, p99": known(figures.own_p99_ms),
        "by the API server within 5 ms": percent(figures.within_5_ms),
        "by the API server within 25 ms": percent(figures.within_25_ms),
    }


def _verifying_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Verifying)  # noqa: S101 - chosen by this very class
    return {
        "requests/s": f"{figures.requests_per_second:,.0f}",
        "at half of that": f"{figures.half_per_second:,.0f}",
        "p50": f"{figures.p50_ms:.2f} ms",
        "p99": f"{figures.p99_ms:.2f} ms",
        "CPU per answer": f"{figures.cpu_us:.0f} µs",
        "answers but 200": f"{figures.failures:,}",
        OTHERS: f"{figures.others_percent:.0f} %",
        **memory_cells(figures.memory),
    }


def _revoking_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Revoking)  # noqa: S101 - chosen by this very class
    return {
        "role changes": f"{figures.changes:,}",
        "rejected within, p50": f"{figures.p50_ms:.1f} ms",
        "p99": f"{figures.p99_ms:.1f} ms",
        "requests/s meanwhile": f"{figures.requests_per_second:,.0f}",
        OTHERS: f"{figures.others_percent:.0f} %",
    }


def _deciding_cells(outcome: Outcome) -> Column:
    figures = outcome.figures
    assert isinstance(figures, Deciding)  # noqa: S101 - chosen by this very class
    return {
        "a decision": f"{figures.decision_us:.1f} µs",
        f"unknown id or wrong secret, {figures.requests:,} of each": f"t = {figures.welch_t:+.2f}",
    }


_KINDS: Sequence[tuple[type, Callable[[Outcome], Column], str]] = (
    (Issuing, _issuing_cells, ""),
    (RoleChange, _role_change_cells, ""),
    (ColdStart, _cold_start_cells, ""),
    (Start, _start_cells, ""),
    (Bytes, _bytes_cells, ": what holds the memory of a key"),
    (Takeover, _takeover_cells, ": the leader is killed"),
    (Backlog, _backlog_cells, ""),
    (Limit, _limit_cells, ""),
    (Admission, _admission_cells, ""),
    (Verifying, _verifying_cells, ""),
    (Revoking, _revoking_cells, ", role changes under full load"),
    (Deciding, _deciding_cells, ": without HTTP, and what the time of an answer gives away"),
    (Pages, _page_cells, ""),
    (Background, _background_cells, ": afterwards, with the sweep at its default pace"),
)
