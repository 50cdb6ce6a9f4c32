"""What rules over time come to in the rule book: what suppresses, bounds, closes and is merged, in virtual time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from parsers.event import Event
from parsers.message import Message, Origin, Trust
from rules.course import Course, Happening
from rules.findings import Decision
from rules.job import Job, Part
from rules.load import Defaults, load_rules
from rules.rulebook import RuleBook

TRUSTED = Origin("main", Trust.LOCAL)
STRANGER = Origin("udp", Trust.DATAGRAM)


def parse(message: Message) -> Event:
    """Return an event with the fields that the frame names."""
    fields = {**json.loads(message.frame), "gateway.trust": message.origin.trust.name.lower()}
    return Event(fields, datetime.fromtimestamp(message.received, UTC), message)


class Play:
    """Rules from a file, and what comes to them; times are in seconds from the start."""

    def __init__(self, text: str, start: float = 1_767_571_200.0) -> None:
        loaded = load_rules(text, "f", Defaults())
        assert loaded.errors == ()
        self.book = RuleBook(loaded.rules, parse=parse)
        self.course = Course(self.book, start)
        self.start = start
        self.offset = 0

    def send(self, at: float, origin: Origin = TRUSTED, **fields: str) -> list[str]:
        """Show an event; Return what happened, as `told` says it."""
        return told(self.happens(at, origin, fields))

    def jobs(self, at: float, **fields: str) -> list[Job]:
        """Show an event; return the jobs of what happened."""
        return [
            job for one in self.happens(at, TRUSTED, fields) if isinstance(one.what, Decision) for job in one.what.jobs
        ]

    def happens(self, at: float, origin: Origin, fields: dict[str, str]) -> list[Happening]:
        """Show an event."""
        self.offset += 1
        frame = json.dumps(fields).encode()
        message = Message(frame, origin, self.start + at, offset=self.offset)
        return list(self.course.show(parse(message), self.start + at))

    def wait(self, at: float) -> list[str]:
        """Let time pass."""
        return told(self.course.go_on_to(self.start + at))


def told(happenings: object) -> list[str]:
    """Return what happened: the rule and part of each job, `held`, or why a state closed."""
    words: list[str] = []
    for one in happenings:  # type: ignore[attr-defined]
        what = one.what
        if isinstance(what, Decision):
            words += [f"{job.rule} {job.part.value}" for job in what.jobs if job.part is not Part.UNDO]
            words += [f"{what.incident.match.rule.name} held"] * what.held
        else:
            words.append(f"{what.rule} closes: {what.reason}")
    return words


DO = "do: {run: [x]}"


def test_a_rule_is_still_for_a_time_after_it_has_acted() -> None:
    """Once per key; what comes meanwhile counts for nothing, and strangers have a silence of their own."""
    play = Play(f"- {{rule: a, match: {{m: x}}, when: {{count: 2, within: 1m, by: [k]}}, suppress: 10m, {DO}}}")
    assert [play.send(at, m="x", k="1") for at in (0, 1, 2, 3, 600.9)] == [[], ["a do"], [], [], []]
    assert [play.send(at, m="x", k="2") for at in (600.9, 600.9)] == [[], ["a do"]]
    assert [play.send(at, m="x", k="1") for at in (601, 602)] == [[], ["a do"]]
    assert [play.send(603, origin=STRANGER, m="x", k="3") for _ in range(4)] == [[], ["a held"], [], []]
    assert [play.send(604, m="x", k="3") for _ in range(2)] == [[], ["a do"]]


def test_silence_may_have_a_key_of_its_own() -> None:
    """Other fields than the window's, or any where there is no window."""
    rule = f"- {{rule: a, match: {{m: x}}, suppress: {{for: 10s, by: [k]}}, {DO}}}"
    play = Play(rule)
    assert [play.send(at, m="x", k=key) for at, key in ((0, "1"), (1, "2"), (9.5, "1"), (10, "1"))] == [
        ["a do"],
        ["a do"],
        [],
        ["a do"],
    ]
    assert [play.send(11, m="x") for _ in range(2)] == [["a do"], ["a do"]], "without the field there is no key"


def test_silence_until_the_window_is_over() -> None:
    """SEC's SingleWithThreshold: the window that came true goes on, and what is in it is no new beginning."""
    rule = f"- {{rule: a, match: {{}}, when: {{count: 2, within: 1m, by: []}}, suppress: {{for: window}}, {DO}}}"
    play = Play(rule)
    found = [play.send(at, m="x") for at in (0, 30, 31, 59, 60, 61)]
    assert found == [[], ["a do"], [], [], [], ["a do"]]


def test_what_waits_is_still_as_well() -> None:
    """A digest that is full, and an absence, count as acting; `else` does not."""
    play = Play(
        f"- {{rule: d, match: {{m: x}}, when: {{digest: 1h, max: 2, by: []}}, suppress: 1m, {DO}}}\n"
        f"- {{rule: a, match: {{m: y}}, when: {{absent: {{m: z}}, within: 10s, by: []}}, suppress: 1m, {DO},"
        " else: {run: [y]}}"
    )
    assert [play.send(at, m="x") for at in (0, 0, 1, 1)] == [[], ["d do"], [], []]
    assert play.send(2, m="y") == []
    assert play.wait(12) == ["a do"]
    assert play.send(13, m="y") == []
    assert play.wait(24) == []
    assert [play.send(25, m="y"), play.send(26, m="z")] == [[], ["a else"]]


def test_hours_of_the_calendar() -> None:
    """In their zone, also when its clocks change; a holiday may be meant; outside of them nothing counts."""
    zone = ZoneInfo("Europe/Berlin")
    hours = '{hours: "Mo-Fr 08:00-18:00; PH off", zone: Europe/Berlin, country: DE}'
    play = Play(
        f"- {{rule: a, match: {{}}, during: {hours}, {DO}}}\n- {{rule: b, match: {{}}, outside: {hours}, {DO}}}", 0.0
    )

    def at(*when: int) -> list[str]:
        return play.send(datetime(*when, tzinfo=zone).timestamp(), m="x")  # type: ignore[misc, arg-type]

    assert at(2026, 3, 27, 8, 0) == ["a do"], "a Friday in winter"
    assert at(2026, 3, 27, 18, 0) == ["b do"]
    assert at(2026, 3, 30, 7, 59) == ["b do"], "the Monday after the clocks were set"
    assert at(2026, 3, 30, 8, 0) == ["a do"]
    assert at(2026, 4, 6, 12, 0) == ["b do"], "Easter Monday"
    assert datetime(2026, 4, 7, 6, 30, tzinfo=UTC) > datetime(2026, 4, 7, 8, 0, tzinfo=zone)
    assert at(2026, 4, 7, 8, 30) == ["a do"]


def test_a_wait_that_ends_outside_of_the_hours_comes_to_nothing() -> None:
    """And what ends it is seen at any hour."""
    play = Play(
        '- {rule: a, match: {m: x}, during: "00:00-00:10", when: {absent: {m: y}, within: 5m, by: []},'
        f" {DO}, else: {{run: [y]}}}}"
    )
    assert [play.send(0, m="x"), play.wait(300)] == [[], ["a do"]]
    assert [play.send(400, m="x"), play.send(650, m="y")] == [[], ["a else"]]
    assert [play.send(599, m="x"), play.wait(2000)] == [[], []]


def test_another_rules_state() -> None:
    """SEC's contexts: it is open for the key that the event has, in fields of the same name or others."""
    play = Play(
        f"- {{rule: down, match: {{m: down}}, when: {{count: 1, within: 1m, by: [h]}}, {DO},"
        " undo: {match: {m: up}, do: []}}\n"
        f"- {{rule: a, match: {{m: x}}, if_open: down, {DO}}}\n"
        f"- {{rule: b, match: {{m: x}}, unless_open: {{rule: down, by: [via]}}, {DO}}}"
    )
    assert play.send(0, m="x", h="1", via="2") == ["b do"]
    assert play.send(1, m="down", h="1") == ["down do"]
    assert play.send(2, m="x", h="1", via="2") == ["a do", "b do"]
    assert play.send(3, m="x", h="2", via="1") == []
    assert play.send(4, m="up", h="1") == ["down closes: event"]
    assert play.send(5, m="x", h="2", via="1") == ["b do"]


def test_several_events_close_a_state() -> None:
    """None of the rule's own between them: those begin the count anew, and belong into the journal."""
    play = Play(
        f"- {{rule: a, match: {{m: bad}}, when: {{count: 1, within: 1m, by: [h]}}, {DO},"
        " undo: {match: {m: good}, count: 3, do: []}}"
    )
    assert play.send(0, m="bad", h="1") == ["a do"]
    assert [play.send(1, m=one, h="1") for one in ("good", "good", "bad", "good", "good")] == [[]] * 5
    assert play.send(2, origin=STRANGER, m="good", h="1") == []
    assert play.send(3, m="good", h="1") == ["a closes: event"]
    message = parse(Message(b'{"m":"bad","h":"1"}', TRUSTED, play.start + 4))
    assert play.book.feed(message, play.start + 4).decisions
    good = parse(Message(b'{"m":"good","h":"1"}', TRUSTED, play.start + 4))
    assert [play.book.feed(one, play.start + 4).matched for one in (good, message, message)] == [True, True, False]


def test_an_alarm_is_raised_once_until_it_recovers() -> None:
    """An absence opens a state: while it is open it is no news, and afterwards it is again."""
    play = Play(
        f"- {{rule: silent, match: {{m: beat}}, when: {{absent: match, within: 10s, by: [h]}}, {DO},"
        " undo: {match: {m: beat}, run: [y]}}"
    )
    assert [play.send(at, m="beat", h="1") for at in (0, 9)] == [[], []]
    assert play.wait(18.9) == []
    assert play.wait(19) == ["silent do"]
    assert play.wait(500) == []
    assert play.send(500, m="beat", h="1") == ["silent closes: event"]
    assert play.wait(511) == ["silent do"]


def test_merged_fields() -> None:
    """A job's event is the last one, with what it lacks from those before it, the newest first."""
    play = Play(
        "- rule: s\n"
        "  when: {sequence: [{m: a}, {m: b}, {m: c}], within: 1m, by: [k]}\n"
        f"  {DO}\n"
        "- rule: w\n"
        "  match: {m: a}\n"
        "  when: {absent: {m: c}, within: 1m, by: [k]}\n"
        f"  {DO}\n"
        "  else: {run: [y]}\n"
    )
    play.send(0, m="a", k="1", first="a", both="a")
    play.send(1, m="b", k="1", second="b", both="b")
    jobs = play.jobs(2, m="c", k="1", third="c")
    assert [(job.rule, job.part) for job in jobs] == [("s", Part.DO), ("w", Part.ELSE)]
    wanted = {
        "m": "c",
        "first": "a",
        "second": "b",
        "third": "c",
        "both": "b",
        "gateway.count": 3,
        "gateway.key": ["1"],
    }
    assert {name: jobs[0].event.get(name) for name in wanted} == wanted
    assert (jobs[1].event["third"], jobs[1].event["first"], "second" in jobs[1].event) == ("c", "a", False)
    play.send(3, m="a", k="2", first="a")
    (ended,) = play.course.go_on_to(play.start + 63)
    assert isinstance(ended.what, Decision)
    assert (ended.time, ended.what.jobs[0].event["first"]) == (play.start + 63, "a")


def test_stages_may_hold_the_key_in_other_fields() -> None:
    """A connection seen from both its ends; an event that is one stage for one key may be another for another."""
    play = Play(
        "- rule: hop\n"
        "  when:\n"
        "    sequence: [{m: in}, {match: {m: in}, by: [source]}]\n"
        "    within: 1m\n"
        "    by: [target]\n"
        f"  {DO}\n"
    )
    assert play.send(0, m="in", source="a", target="b") == []
    assert play.send(1, m="in", source="x", target="y") == []
    (job,) = play.jobs(2, m="in", source="b", target="c")
    assert job.key == ("b",)
    assert play.send(3, m="in", source="c", target="d") == ["hop do"], "it was the first of the next one, too"


def test_silence_goes_by_the_key_that_the_window_counts_by() -> None:
    """Also where the event that comes last holds it in another field, or has another key in its own."""
    play = Play(
        "- rule: hop\n"
        "  when:\n"
        "    sequence: [{m: in}, {match: {m: out}, by: [source]}]\n"
        "    within: 1m\n"
        "    by: [target]\n"
        f"  suppress: 1h\n  {DO}\n"
    )
    for at, target in enumerate("bbc"):
        play.send(at, m="in", target=target)
        assert play.send(at, m="out", source=target, target="b") == (["hop do"] if at != 1 else [])


def test_match_holds_for_each_event_of_several() -> None:
    """What `all` and `sequence` ask for is asked besides it, and so is what each of them must not be."""
    for kind in ("all", "sequence"):
        play = Play(
            f"- {{rule: both, match: {{p: x}}, unless: {{q: y}}, {DO},"
            f" when: {{{kind}: [{{m: a}}, {{m: b}}], within: 1m, by: []}}}}"
        )
        play.send(0, m="a", p="x")
        assert play.send(1, m="b") == play.send(2, m="b", p="x", q="y") == []
        assert play.send(3, m="b", p="x") == ["both do"]


def test_long_values_are_different_values() -> None:
    """Though only their beginnings are remembered."""
    play = Play(f"- {{rule: d, match: {{}}, when: {{distinct: k, count: 3, within: 1m, by: []}}, {DO}}}")
    assert [play.send(at, k="x" * size) for at, size in enumerate((9000, 9001, 9000))] == [[], [], []]
    (job,) = play.jobs(4, k="x" * 9002)
    values = job.event["gateway.values"]
    assert isinstance(values, list)
    assert [len(str(value)) for value in values] == [512] * 3


def test_an_event_takes_one_place_of_a_sequence() -> None:
    """Also where it fits several of them."""
    play = Play(f"- {{rule: s, when: {{sequence: [{{m: a}}, {{m: a}}, {{m: a}}], within: 1m, by: []}}, {DO}}}")
    assert [play.send(at, m="a") for at in range(4)] == [[], [], ["s do"], []]


def test_strangers_neither_end_nor_break_off_what_others_began() -> None:
    """Nor do they complete it; of what they begin nothing is started."""
    play = Play(
        f"- {{rule: w, match: {{m: a}}, when: {{absent: {{m: b}}, within: 10s, by: []}}, {DO}}}\n"
        f"- {{rule: s, when: {{sequence: [{{m: a}}, {{m: c}}], unless: {{m: b}}, within: 1m, by: []}}, {DO}}}\n"
    )
    play.send(0, m="a")
    assert play.send(1, origin=STRANGER, m="b") == []
    assert play.send(2, origin=STRANGER, m="c") == []
    assert play.send(3, m="c") == ["s do"]
    assert play.wait(10) == ["w do"]
    play.send(20, origin=STRANGER, m="a")
    assert play.send(21, origin=STRANGER, m="c") == ["s held"]
    assert play.wait(30) == ["w held"]


def test_things_happen_in_order_of_time() -> None:
    """Ends of waits and of states, and what comes, whatever rule they are of; time never goes back."""
    play = Play(
        f"- {{rule: late, match: {{m: x}}, when: {{absent: match, within: 30s, by: []}}, {DO}}}\n"
        f"- {{rule: soon, match: {{m: x}}, when: {{settled: 10s, by: []}}, {DO}}}\n"
        f"- {{rule: state, match: {{m: x}}, when: {{count: 1, within: 1s, by: []}}, {DO},"
        " undo: {after: 20s, do: []}}\n"
    )
    assert play.send(0, m="x") == ["state do"]
    happened = list(play.course.go_on_to(play.start + 60))
    assert [one.time - play.start for one in happened] == [10.0, 20.0, 30.0]
    assert told(happened) == ["soon do", "state closes: time", "late do"]
    assert play.send(50, m="x") == ["state do"]
    assert play.course.now == play.start + 60
