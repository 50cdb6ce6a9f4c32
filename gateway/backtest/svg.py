"""Draw what rules did over time: one lane for each rule, a mark for what it did, an area for the states it has open.

The picture is one file without scripts, fonts or links; in a browser it takes the reader's light or dark colours, and
what is pointed at says what it is. All text of others is escaped, and shortened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gateway.backtest.summary import HELD, RuleSummary
from gateway.backtest.time_axis import ticks
from gateway.backtest.timeline import Mark, Scale, Span, marks, spans
from gateway.log import escaped

MAX_LANES = 150
"""Rules that are drawn, those that did most; a longer picture nobody scrolls through."""

MAX_NAME = 34
"""Characters of a rule's name that have room."""

MAX_TEXT = 120
"""Characters of a key, and of a title."""

_LEFT, _WIDE, _RIGHT = 250, 860, 130
_WIDTH = _LEFT + _WIDE + _RIGHT
_TOP, _BOTTOM, _LANE, _GAP = 104, 58, 34, 8
_COLUMN = 3  # pixels: what is narrower nobody can point at
_LOW, _HIGH = 7, 24  # heights of the mark of one, and of that of the most
_OPEN_LOW, _OPEN_HIGH = 5, 24
_LABELS = 12

_STYLE = """
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:#1f2733}
.bg{fill:#ffffff}.lane{fill:#f5f7fa}.grid{stroke:#e1e6ec}.strong{stroke:#b9c3cf}.base{stroke:#d3dae2}
.title{font-size:17px;font-weight:600}.dim{fill:#66707d}.small{font-size:11px}.name{font-weight:500}
.number{text-anchor:end;font-variant-numeric:tabular-nums}
.do{fill:#2563c9}.else{fill:#0f8a78}.held{fill:#c07a0c}.open{fill:#d9485f;fill-opacity:.22}.edge{fill:#d9485f}
g.mark:hover rect,rect.open:hover{fill-opacity:.6}
@media (prefers-color-scheme:dark){
text{fill:#dfe5ec}.bg{fill:#14181d}.lane{fill:#1c2229}.grid{stroke:#2a323b}.strong{stroke:#4b5866}.base{stroke:#36404b}
.dim{fill:#95a1ae}.do{fill:#6ea3f7}.else{fill:#3fc2ae}.held{fill:#e5a84b}.open{fill:#f07a8c;fill-opacity:.26}
.edge{fill:#f07a8c}}
"""


@dataclass(frozen=True, slots=True)
class Lane:
    """What is drawn beside each other.

    Attributes:
        name: the rule's.
        side: of two that are compared, whose rule it is; empty where nothing is compared.
    """

    name: str
    summary: RuleSummary
    side: str = ""


def draw(lanes: Sequence[Lane], title: str, first: float, last: float, zone: tzinfo, notes: Sequence[str]) -> bytes:
    """Return the picture as SVG 1.1 in UTF-8.

    Args:
        lanes: from above to below.
        title: what was read.
        first: from when, in seconds since 1970,
        last: to when.
        zone: of the axis and of all times.
        notes: lines that stand below.
    """
    shown = lanes[:MAX_LANES]
    if len(lanes) > MAX_LANES:
        notes = (*notes, f"{len(lanes) - MAX_LANES:,} more rules did something, and have no room here")
    if last - first < 1:
        last = first + 1  # one instant is drawn as a second
    pad = (last - first) * 0.004  # so that what is at the very end does not stand on the edge
    scale = Scale(first - pad, last + pad, _WIDE // _COLUMN)
    bottom = _TOP + len(shown) * (_LANE + _GAP)
    height = bottom + _BOTTOM + 17 * len(notes)
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "width": str(_WIDTH),
            "height": str(height),
            "role": "img",
        },
    )
    SubElement(svg, "title").text = _short(title)
    SubElement(svg, "style").text = _STYLE
    _rect(svg, 0, 0, _WIDTH, height, "bg")
    _text(svg, 24, 34, _short(title), "title")
    span = f"{_moment(first, zone)} to {_moment(last, zone)} ({datetime.fromtimestamp(first, zone):%Z})"
    _text(svg, 24, 55, span, "dim")
    _legend(svg, lanes)
    for number in range(len(shown)):
        _rect(svg, _LEFT, _TOP + number * (_LANE + _GAP), _WIDE, _LANE, "lane")
    _axis(svg, scale, zone, bottom, first, last)
    _text(svg, _LEFT + _WIDE + 60, _TOP - 10, "times", "dim small number")
    _text(svg, _LEFT + _WIDE + 115, _TOP - 10, "keys", "dim small number")
    for number, lane in enumerate(shown):
        _lane(svg, lane, scale, zone, _TOP + number * (_LANE + _GAP))
    for number, note in enumerate(notes):
        _text(svg, 24, bottom + 52 + 17 * number, _short(note, 190), "dim small")
    indent(svg, " ")
    answer: bytes = tostring(svg, encoding="utf-8", xml_declaration=True)
    return answer


def _legend(svg: Element, lanes: Sequence[Lane]) -> None:
    x = _WIDTH - 24
    kinds = {kind for lane in lanes for kind in lane.summary.times}
    if any(lane.summary.undone or lane.summary.open for lane in lanes):
        kinds.add("open")
    words = {"open": "states open", HELD: "held back: sender not trusted", "else": "else", "do": "do"}
    for kind in (kind for kind in words if kind in kinds):
        x -= 7 * len(words[kind]) + 28
        _rect(svg, x, 25, 10, 10, kind)
        if kind == "open":
            _rect(svg, x, 25, 10, 1.5, "edge")
        _text(svg, x + 15, 34, words[kind], "dim")


def _axis(svg: Element, scale: Scale, zone: tzinfo, bottom: float, first: float, last: float) -> None:
    told = -math.inf
    before = ""
    for tick in ticks(first, last, zone, _LABELS):
        x = _x(scale, tick.time)
        style = "strong" if tick.strong else "grid"
        SubElement(
            svg, "line", {"x1": _n(x), "x2": _n(x), "y1": _n(_TOP - 4), "y2": _n(bottom - _GAP + 4), "class": style}
        )
        _text(svg, x, bottom + 12, tick.label, "small", anchor="middle")
        if tick.context and x - told > 7 * len(before) + 10:
            _text(svg, x, bottom + 28, tick.context, "dim small", anchor="middle" if told > 0 or x > _LEFT + 60 else "")
            told, before = x, tick.context


def _lane(svg: Element, lane: Lane, scale: Scale, zone: tzinfo, top: float) -> None:
    summary = lane.summary
    name = _text(svg, 24, top + (14 if lane.side else 21), _short(lane.name, MAX_NAME), "name")
    SubElement(name, "title").text = escaped(lane.name)
    if lane.side:
        _text(svg, 24, top + 28, _short(lane.side, MAX_NAME), "dim small")
    base = top + _LANE - 4
    SubElement(
        svg, "line", {"x1": str(_LEFT), "x2": str(_LEFT + _WIDE), "y1": _n(base), "y2": _n(base), "class": "base"}
    )
    found = spans(summary, scale)
    highest = max((span.states for span in found), default=1)
    for span in found:
        _span(svg, span, highest, scale, zone, base)
    told = marks(summary, scale)
    most = max((mark.total for mark in told), default=1)
    for mark in told:
        _mark(svg, mark, most, zone, base)
    _text(svg, _LEFT + _WIDE + 60, top + 21, f"{summary.total:,}", "number")
    _text(svg, _LEFT + _WIDE + 115, top + 21, summary.count_of_keys(), "number dim")


def _span(svg: Element, span: Span, highest: int, scale: Scale, zone: tzinfo, base: float) -> None:
    height = _height(span.states, highest, _OPEN_LOW, _OPEN_HIGH)
    x, wide = _LEFT + span.first * _COLUMN, (span.behind - span.first) * _COLUMN
    area = _rect(svg, x, base - height, wide, height, "open")
    since, until = (_moment(scale.time(column), zone) for column in (span.first, span.behind))
    SubElement(area, "title").text = f"{span.states:,} open, {since} to {until}"
    _rect(svg, x, base - height, wide, 1.5, "edge")


def _mark(svg: Element, mark: Mark, most: int, zone: tzinfo, base: float) -> None:
    group = SubElement(svg, "g", {"class": "mark"})
    counts = ", ".join(f"{kind} {count:,}" for kind, count in mark.counts.items())
    when = _moment(mark.first, zone)
    if mark.last - mark.first >= 1:
        when += f" to {_moment(mark.last, zone)}"
    keys = "\n".join(_short(key) for key in mark.keys)
    more = "\n…" if mark.total > len(mark.keys) > 1 else ""
    SubElement(group, "title").text = f"{when}\n{counts}{chr(10) + keys if keys else ''}{more}"
    height = _height(mark.total, most, _LOW, _HIGH)
    x, y = _LEFT + mark.column * _COLUMN, base
    for kind, count in mark.counts.items():
        part = height * count / mark.total
        y -= part
        _rect(group, x + 0.25, y, _COLUMN - 0.5, part, kind)


def _height(count: int, most: int, low: float, high: float) -> float:
    """Return how high a count is drawn: its logarithm, so that one beside a thousand is seen too."""
    return low if most <= 1 else low + (high - low) * math.log(count) / math.log(most)


def _x(scale: Scale, time: float) -> float:
    return _LEFT + (time - scale.first) / (scale.last - scale.first) * _WIDE


def _moment(time: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(time, zone):%Y-%m-%d %H:%M:%S}"


def _short(text: str, most: int = MAX_TEXT) -> str:
    harmless = escaped(text)
    return harmless if len(harmless) <= most else f"{harmless[: most - 1]}…"


def _n(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _rect(parent: Element, x: float, y: float, width: float, height: float, style: str) -> Element:
    place = {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height), "class": style}
    return SubElement(parent, "rect", place)


def _text(parent: Element, x: float, y: float, text: str, style: str, *, anchor: str = "") -> Element:
    attributes = {"x": _n(x), "y": _n(y), "class": style}
    if anchor:
        attributes["text-anchor"] = anchor
    element = SubElement(parent, "text", attributes)
    element.text = text
    return element
