"""Draw states and steps as SVG, from the tables of `tenure.domain.planning.states`.

States, arrows and texts come from the tables, and their positions from the places and routes below. A row of a table
without a route, or a route without a row, is an error.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from xml.sax.saxutils import escape

from tenure.domain.planning.actions import (
    Action,
    AnnounceToken,
    DeleteApiKey,
    DeleteSecret,
    DeliverToken,
    EmitEvent,
    IssueToken,
    UpdateStatus,
)
from tenure.domain.planning.states import (
    CHANGE_STATES,
    CHANGE_STEPS,
    FOUND,
    KEY_STATES,
    KEY_STEPS,
    ChangeState,
    Description,
    KeyState,
    Stage,
    Step,
)
from tenure_dev.errors import ToolError

S = TypeVar("S", KeyState, ChangeState)

_WIDTH, _BOX_WIDTH, _BOX_HEIGHT = 860, 150, 50
_EVENT, _STEP = "#6b7280", "#1d4ed8"
_HALO = 'paint-order="stroke" stroke="#ffffff" stroke-width="3" stroke-linejoin="round"'
_CAPTION = f'font-size="11.5" fill="#374151" text-anchor="middle" {_HALO}'
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

WORDS: Mapping[type[Action], str] = {
    DeleteSecret: "delete the Secret",
    DeleteApiKey: "delete the ApiKey",
    IssueToken: "issue a token",
    AnnounceToken: "announce a token",
    DeliverToken: "deliver the token",
    UpdateStatus: "write the status",
    EmitEvent: "post an Event",
}
"""The actions in words."""


@dataclass(frozen=True)
class _Route:
    """The path of an arrow, and where its label is."""

    path: str
    x: int
    y: int
    anchor: str = "middle"


@dataclass(frozen=True)
class _Band:
    """A colored area for the states of a stage."""

    title: str
    title_top: int
    top: int
    height: int
    fill: str
    stroke: str


@dataclass(frozen=True)
class _Drawing(Generic[S]):
    title: str
    description: str
    height: int
    bands: Sequence[_Band]
    places: Mapping[S, tuple[int, int]]
    routes: Mapping[tuple[S, S], _Route]
    start: _Route | None = None
    """The arrow to the first state."""
    start_label: str = ""
    top: int = 16


_KEYS = _Drawing(
    title="The states of a key",
    description="A key works while its stamp is current. A role change, its expiry or another end moves it to the "
    "states in which its token is rejected. Tenure deletes the Secret, and then the ApiKey is gone, is revoked, or "
    "gets a new token. Only a new token leads back to a key that works.",
    height=740,
    top=-60,
    bands=(
        _Band(Stage.CURRENT, -23, -44, 190, "#f0fdf4", "#16a34a"),
        _Band(Stage.OUTDATED, 217, 196, 204, "#fef2f2", "#dc2626"),
        _Band(Stage.NONE, 622, 450, 186, "#f9fafb", "#6b7280"),
    ),
    places={
        KeyState.TO_REPAIR: (115, 104),
        KeyState.WORKS: (420, 104),
        KeyState.TO_ROTATE: (268, 0),
        KeyState.TO_DELIVER: (572, 0),
        KeyState.SUSPENDED: (725, 104),
        KeyState.TO_RECORD: (420, 258),
        KeyState.TO_DELETE: (115, 360),
        KeyState.TO_REVOKE: (420, 360),
        KeyState.TO_REISSUE: (725, 360),
        KeyState.GONE: (115, 512),
        KeyState.REVOKED: (420, 512),
        KeyState.TO_ISSUE: (725, 512),
        KeyState.WAITS: (420, 596),
    },
    routes={
        (KeyState.WORKS, KeyState.TO_REPAIR): _Route("M345 94H190", 268, 88),
        (KeyState.TO_REPAIR, KeyState.WORKS): _Route("M190 114H345", 268, 128),
        (KeyState.WORKS, KeyState.SUSPENDED): _Route("M495 94H650", 572, 88),
        (KeyState.SUSPENDED, KeyState.WORKS): _Route("M650 114H495", 572, 128),
        (KeyState.WORKS, KeyState.TO_ROTATE): _Route("M375 79V48H268V25", 322, 42),
        (KeyState.TO_ROTATE, KeyState.TO_DELIVER): _Route("M343 0H497", 420, -6),
        (KeyState.TO_DELIVER, KeyState.WORKS): _Route("M572 25V42H460V79", 580, 40, "start"),
        (KeyState.WORKS, KeyState.TO_RECORD): _Route("M420 129V233", 427, 217, "start"),
        (KeyState.WORKS, KeyState.TO_REVOKE): _Route("M375 129V182H270V352H345", 262, 176, "end"),
        (KeyState.WORKS, KeyState.TO_REISSUE): _Route("M465 129V182H760V335", 590, 176, "start"),
        (KeyState.TO_RECORD, KeyState.TO_DELETE): _Route("M345 258H115V335", 122, 276, "start"),
        (KeyState.TO_RECORD, KeyState.TO_REVOKE): _Route("M420 283V335", 427, 312, "start"),
        (KeyState.TO_RECORD, KeyState.TO_REISSUE): _Route("M495 258H690V335", 684, 276, "end"),
        (KeyState.TO_DELETE, KeyState.GONE): _Route("M115 385V487", 122, 416, "start"),
        (KeyState.TO_REVOKE, KeyState.REVOKED): _Route("M420 385V487", 427, 422, "start"),
        (KeyState.TO_REISSUE, KeyState.WORKS): _Route("M800 360H826V58H420V79", 818, 422, "end"),
        (KeyState.TO_ISSUE, KeyState.WORKS): _Route("M800 512H826V58H420V79", 620, 53),
        (KeyState.TO_ISSUE, KeyState.REVOKED): _Route("M650 522H495", 572, 536),
        (KeyState.REVOKED, KeyState.TO_ISSUE): _Route("M495 502H650", 572, 496),
        (KeyState.TO_ISSUE, KeyState.WAITS): _Route("M740 537V606H495", 590, 620),
        (KeyState.WAITS, KeyState.TO_ISSUE): _Route("M495 586H710V537", 590, 580),
    },
    start=_Route("M780 588V537", 780, 608),
    start_label="new ApiKey",
)

_CHANGES = _Drawing(
    title="The states of a role change",
    description="A role change is seen, then recorded with the names of the revoked keys, and done once all of these "
    "keys are handled. A key that is found late corrects the record.",
    height=342,
    top=40,
    bands=(),
    places={
        ChangeState.NONE: (95, 110),
        ChangeState.SEEN: (370, 110),
        ChangeState.RECORDED: (665, 110),
        ChangeState.DONE: (370, 260),
        ChangeState.LATE: (665, 260),
    },
    routes={
        (ChangeState.NONE, ChangeState.SEEN): _Route("M170 110H295", 232, 104),
        (ChangeState.SEEN, ChangeState.RECORDED): _Route("M445 100H590", 518, 66),
        (ChangeState.SEEN, ChangeState.DONE): _Route("M350 135V235", 342, 172, "end"),
        (ChangeState.RECORDED, ChangeState.SEEN): _Route("M590 120H445", 518, 134),
        (ChangeState.RECORDED, ChangeState.DONE): _Route("M625 135V176H385V235", 505, 170),
        (ChangeState.RECORDED, ChangeState.LATE): _Route("M690 135V235", 697, 190, "start"),
        (ChangeState.LATE, ChangeState.RECORDED): _Route("M665 235V135", 658, 200, "end"),
        (ChangeState.LATE, ChangeState.DONE): _Route("M590 256H445", 510, 236),
        (ChangeState.LATE, ChangeState.SEEN): _Route("M665 285V332H215V128H295", 518, 326),
        (ChangeState.DONE, ChangeState.LATE): _Route("M445 272H590", 518, 300),
        (ChangeState.DONE, ChangeState.SEEN): _Route("M295 260H240V119H295", 246, 224, "start"),
    },
)


def key_states() -> str:
    """Draw the states of a key as SVG."""
    return _svg(_KEYS, KEY_STATES, KEY_STEPS)


def change_states() -> str:
    """Draw the states of a role change as SVG."""
    return _svg(_CHANGES, CHANGE_STATES, CHANGE_STEPS)


def _svg(drawing: _Drawing[S], states: Mapping[S, Description], steps: Iterable[Step[S]]) -> str:
    drawn = [step for step in steps if not step.rare]
    arrows: dict[tuple[S, S], list[Step[S]]] = {}
    for step in drawn:
        if step.before is not step.after:
            arrows.setdefault((step.before, step.after), []).append(step)
    if wrong := set(arrows) ^ set(drawing.routes):
        raise ToolError(
            f"{drawing.title}: the rows and the routes differ in {sorted(wrong)}. Change dev/tenure_dev/generate"
        )
    return "".join(f"{line}\n" for line in _lines(drawing, states, drawn, arrows))


def _lines(
    drawing: _Drawing[S],
    states: Mapping[S, Description],
    steps: Sequence[Step[S]],
    arrows: Mapping[tuple[S, S], Sequence[Step[S]]],
) -> Iterator[str]:
    size = f'width="{_WIDTH}" height="{drawing.height}"'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {drawing.top} {_WIDTH} {drawing.height}" role="img" '
        f'aria-labelledby="title desc" font-family="{_FONT}">'
    )
    yield "  <!-- Generated by `make generate` from operator/tenure/domain/planning/states.py. Change it there. -->"
    yield f'  <title id="title">{drawing.title}</title>'
    yield f'  <desc id="desc">{escape(drawing.description)}</desc>'
    yield from _markers()
    yield f'  <rect y="{drawing.top}" {size} fill="#ffffff"/>'
    for band in drawing.bands:
        yield from _band(band)
    for pair, rows in arrows.items():
        yield _arrow(drawing.routes[pair].path, is_step=bool(rows[0].actions))
    for pair, rows in arrows.items():
        yield from _caption(drawing.routes[pair], rows)
    if drawing.start is not None:
        yield _arrow(drawing.start.path, is_step=False, style='marker-start="url(#start)"')
        yield _text(drawing.start.x, drawing.start.y, drawing.start_label, _CAPTION)
    for state, (x, y) in drawing.places.items():
        yield from _box(x, y, state.value, _note(state, states[state], steps))
    yield from _legend(drawing.top + drawing.height - 16)
    yield "</svg>"


def _markers() -> Iterator[str]:
    yield "  <defs>"
    for name, color in (("event", _EVENT), ("step", _STEP)):
        marker = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
        yield f'    <marker id="{name}" {marker}><path d="M0 0 8 4 0 8z" fill="{color}"/></marker>'
    yield (
        '    <marker id="start" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7">'
        f'<circle cx="4" cy="4" r="3.5" fill="{_EVENT}"/></marker>'
    )
    yield "  </defs>"


def _band(band: _Band) -> Iterator[str]:
    size = f'width="{_WIDTH - 32}" height="{band.height}"'
    yield f'  <rect x="16" y="{band.top}" {size} rx="10" fill="{band.fill}" stroke="{band.stroke}"/>'
    for line, text in enumerate(band.title.split(", ")):
        style = f'font-size="13" font-weight="600" fill="{band.stroke}"'
        yield _text(28, band.title_top + 16 * line, text, style)


def _arrow(path: str, *, is_step: bool, style: str = "") -> str:
    color, dashes = (_STEP, "") if is_step else (_EVENT, ' stroke-dasharray="5 4"')
    head = f'marker-end="url(#{"step" if is_step else "event"})"'
    return f'  <path d="{path}" fill="none" stroke="{color}" stroke-width="1.5"{dashes} {head} {style}/>'


def _caption(route: _Route, rows: Sequence[Step[S]]) -> Iterator[str]:
    color = _STEP if rows[0].actions else "#374151"
    style = f'font-size="11.5" fill="{color}" text-anchor="{route.anchor}" {_HALO}'
    for line, text in enumerate(_label(rows)):
        yield _text(route.x, route.y + 14 * line, text, style)


def _label(rows: Sequence[Step[S]]) -> list[str]:
    """Return the lines of an arrow's label: the event and Tenure's actions. Several rows show only shared actions."""
    first = rows[0]
    shared: list[str] = [
        WORDS[kind] for kind in dict.fromkeys(first.actions) if all(kind in row.actions for row in rows)
    ]
    return [first.on, *shared] if len(rows) == 1 and first.on != FOUND else shared


def in_words(actions: Iterable[type[Action]]) -> str:
    """Return actions as a list in words."""
    return ", ".join(WORDS[kind] for kind in dict.fromkeys(actions))


def _note(state: S, description: Description, steps: Sequence[Step[S]]) -> str:
    """Return the line below a state's name: Tenure's actions in this state, or else the reason that kubectl shows."""
    own = [kind for step in steps if step.before is step.after is state for kind in step.actions]
    done = [kind for kind in own if kind is not UpdateStatus]
    if done:
        return in_words(done)
    return description.shown.split("`")[1] if description.shown.startswith("`") else ""


def _box(x: int, y: int, name: str, note: str) -> Iterator[str]:
    left, top = x - _BOX_WIDTH // 2, y - _BOX_HEIGHT // 2
    size = f'width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}"'
    yield f'  <rect x="{left}" y="{top}" {size} rx="8" fill="#ffffff" stroke="#374151" stroke-width="1.5"/>'
    style = 'text-anchor="middle" '
    yield _text(x, y - 3 if note else y + 5, name, style + 'font-size="14" font-weight="600" fill="#1f2937"')
    if note:
        yield _text(x, y + 15, note, style + 'font-size="11.5" fill="#4b5563"')


def _legend(y: int) -> Iterator[str]:
    style = 'font-size="11.5" fill="#374151"'
    yield f'  <path d="M28 {y - 4}H64" stroke="{_STEP}" stroke-width="1.5" marker-end="url(#step)"/>'
    yield _text(72, y, "Tenure does it", style)
    path = f'd="M180 {y - 4}H216" stroke="{_EVENT}" stroke-width="1.5" stroke-dasharray="5 4"'
    yield f'  <path {path} marker-end="url(#event)"/>'
    yield _text(224, y, "it happens: you, another program or the clock", style)


def _text(x: int, y: int, text: str, style: str) -> str:
    return f'  <text x="{x}" y="{y}" {style}>{escape(text)}</text>'
