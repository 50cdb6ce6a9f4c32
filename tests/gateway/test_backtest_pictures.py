"""What a backtest makes of what happened: sums, differences, and a picture over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from xml.etree.ElementTree import Element, fromstring
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backtest import summary as summaries
from gateway.backtest.comparison import Comparison
from gateway.backtest.happened import Happened
from gateway.backtest.summary import RuleSummary, Summary
from gateway.backtest.svg import MAX_LANES, Lane, draw
from gateway.backtest.time_axis import ticks
from gateway.backtest.timeline import Scale, Span, marks, spans
from rules.job import Part
from rules.load import Defaults, load_rules
from rules.rule import Rule

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
DAY = 86400.0
SVG = "{http://www.w3.org/2000/svg}"


def rule(name: str = "ban", run: str = "ban") -> Rule:
    """Make a rule."""
    steps = f'do: {{run: [{run}, "${{source.ip}}"]}}\n  undo: {{after: 1h, run: [unban]}}'
    text = f"- rule: {name}\n  match: {{message: x}}\n  {steps}\n"
    (made,) = load_rules(text, "rules.yaml", Defaults()).rules
    return made


BAN = rule()


def did(
    time: float, *key: str, part: Part = Part.DO, of: Rule = BAN, opens: bool = False, held: bool = False
) -> Happened:
    """Make what happened, so many seconds after noon."""
    return Happened(NOON + time, of, part, key, 1, held, opens, event={"source.ip": key[0] if key else "-"})


def summed(*happened: Happened) -> RuleSummary:
    """Sum it up."""
    found = RuleSummary()
    for one in happened:
        found.add(one)
    return found


def test_sums() -> None:
    """What a rule did is counted by kind and key; undoing is no deed of its own."""
    found = summed(
        did(0, "a", opens=True),
        did(1, "b", opens=True),
        did(2, "a", part=Part.UNDO),
        did(3, "c", held=True),
        did(4, "a", part=Part.ELSE),
    )
    assert (found.fired, found.undone, found.otherwise, found.held, found.total) == (2, 1, 1, 1, 4)
    assert found.keys == {("a",): 2, ("b",): 1, ("c",): 1}
    assert (found.first, found.last, set(found.open)) == (NOON, NOON + 4, {("b",)})
    assert list(found.closed) == [NOON, NOON + 2]
    assert found.to_dict(1)["top"] == [{"key": ["a"], "count": 2}]


def test_sums_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many keys the later ones count for the rule alone, and that is shown."""
    monkeypatch.setattr(summaries, "MAX_KEYS", 2)
    found = summed(*(did(number, str(number)) for number in range(4)))
    assert (found.fired, len(found.keys), found.uncounted, found.count_of_keys()) == (4, 2, 2, "2+")


def test_loud_and_silent() -> None:
    """Rules stand in the order of how much they did; those that did nothing apart."""
    little, much, none = rule("little"), rule("much"), rule("none")
    summary = Summary([little, much, none])
    for one in (did(0, of=little), did(1, of=much), did(2, of=much)):
        summary.add(one)
    assert [name for name, _ in summary.loud()] == ["much", "little"]
    assert summary.silent() == ["none"]


def test_same() -> None:
    """What both do is no difference, whichever side comes first."""
    comparison = Comparison(([BAN], [BAN]))
    comparison.add(0, did(0, "a"))
    comparison.settle(NOON)  # what happens at this very time is not all told yet
    comparison.add(1, did(0, "a"))
    comparison.add(1, did(5, "a"))
    comparison.add(0, did(5, "a"))
    comparison.end()
    assert (comparison.same, comparison.different()) == (2, [])


def test_differences() -> None:
    """What one side does alone, at another time or with another command, is counted and shown in order of time."""
    other = rule(run="block")
    comparison = Comparison(([BAN, rule("gone")], [other]))
    comparison.add(0, did(0, "a"))
    comparison.add(1, did(0, "a", of=other))
    comparison.add(1, did(3, "c", of=other))
    comparison.settle(NOON + 3)
    comparison.add(0, did(3, "c", held=True))
    comparison.add(0, did(9, "d"))
    comparison.add(0, did(9, "d"))
    comparison.end()
    ((name, found),) = comparison.different()
    assert (name, found.only, found.other_commands, found.total) == ("ban", [3, 1], 1, 5)
    assert [difference.time - NOON for difference in comparison.shown] == [0, 3, 3, 9, 9]
    assert comparison.missing == (set(), {"gone"})


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (10, ["12:00:00", "12:00:01"]),
        (3600, ["12:00", "12:10"]),
        (DAY, ["12:00", "15:00"]),
        (20 * DAY, ["03", "05"]),
        (300 * DAY, ["Apr", "May"]),
        (9 * 365 * DAY, ["2027", "2028"]),
    ],
)
def test_ticks(span: float, labels: list[str]) -> None:
    """The axis has its lines at times that a clock or a calendar shows as round ones."""
    found = ticks(NOON, NOON + span, UTC, 10)
    assert [tick.label for tick in found[:2]] == labels
    assert 2 <= len(found) <= 16


def test_ticks_over_summer_time() -> None:
    """Where the clock is set, the lines stand where it shows round hours."""
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 3, 28, 20, tzinfo=zone).timestamp()
    found = ticks(begin, begin + 10 * 3600, zone, 10)
    assert "06:00" in [tick.label for tick in found]
    assert [tick.context for tick in found if tick.strong] == ["Sun 29 Mar 2026"]


@given(st.floats(0, 4e9), st.floats(1e-3, 1e9), st.integers(1, 30), st.sampled_from([-11, 0, 5]))
def test_any_axis(first: float, span: float, most: int, hours: int) -> None:
    """Every axis has few lines, in order, within it."""
    zone = timezone(timedelta(hours=hours))
    found = [tick.time for tick in ticks(first, first + span, zone, most)]
    assert found == sorted(set(found))
    assert all(first <= time <= first + span for time in found)
    assert len(found) <= 2 * most + 14


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60))
def test_marks_hold_everything(times: list[float]) -> None:
    """However much falls into a column, all of it is counted there."""
    times.sort()
    scale = Scale(NOON, NOON + 1000, 50)
    found = marks(summed(*(did(time, str(time)) for time in times)), scale)
    assert sum(mark.total for mark in found) == len(times)
    for mark in found:
        inside = [time for time in times if scale.column(NOON + time) == mark.column]
        assert (mark.first, mark.last, mark.total) == (NOON + inside[0], NOON + inside[-1], len(inside))


def test_spans() -> None:
    """States that are open at once are counted; one that nothing closes is open to the end."""
    happened = [
        did(10, "a", opens=True),
        did(20, "b", opens=True),
        did(30, "a", part=Part.UNDO),
        did(50, "b", part=Part.UNDO),
        did(80, "c", opens=True),
    ]
    found = spans(summed(*happened), Scale(NOON, NOON + 100, 100))
    assert found == [Span(10, 20, 1), Span(20, 31, 2), Span(31, 51, 1), Span(80, 100, 1)]


def picture(*lanes: Lane, title: str = "auth.log", notes: tuple[str, ...] = ()) -> Element:
    """Draw, and read it again."""
    return fromstring(draw(lanes, title, NOON, NOON + DAY, UTC, notes))


def texts(svg: Element) -> list[str]:
    """Return all text in it."""
    return ["".join(element.itertext()) for element in svg.iter() if element.tag in (f"{SVG}text", f"{SVG}title")]


def test_picture() -> None:
    """The picture names the log, the rule, its counts and what each mark is."""
    found = summed(did(0, "192.0.2.7", opens=True), did(7200, "192.0.2.7", part=Part.UNDO), did(9000, part=Part.ELSE))
    svg = picture(Lane("ban", found), notes=("two lines",))
    said = texts(svg)
    assert {"auth.log", "ban", "two lines", "do", "else", "states open"} <= set(said)
    assert "2026-03-02 12:00:00\ndo 1\n192.0.2.7" in said
    assert any(words.startswith("1 open, 2026-03-02 11:5") for words in said)
    (style,) = svg.iter(f"{SVG}style")
    assert "prefers-color-scheme:dark" in "".join(style.itertext())


def test_hostile_text() -> None:
    """Nothing that a stranger wrote is markup, ends a line, or has no end."""
    evil = "</title><script>alert(1)</script>\x1b[2J\u202e&\x00\ud800" + "x" * 10_000
    svg = picture(Lane("ban", summed(did(0, evil)), side=evil), title=evil, notes=(evil,))
    assert not list(svg.iter(f"{SVG}script"))
    assert all(len(words) < 300 and "\x1b" not in words and "\u202e" not in words for words in texts(svg))


def test_thousands() -> None:
    """Ten thousand firings make no larger picture than its columns have room for; more rules no longer one."""
    found = summed(*(did(number * 8.0, str(number % 99)) for number in range(10_000)))
    octets = draw([Lane("ban", found)], "auth.log", NOON, NOON + DAY, UTC, ())
    assert len(octets) < 120_000
    svg = picture(*(Lane(f"rule-{number}", summed(did(0))) for number in range(MAX_LANES + 100)))
    assert "100 more rules did something, and have no room here" in texts(svg)


def test_one_instant() -> None:
    """A log of one instant is a picture too, and so is one in which nothing happened."""
    draw([Lane("ban", summed(did(0)))], "auth.log", NOON, NOON, UTC, ())
    draw([], "auth.log", NOON, NOON, UTC, ())
