"""What rules share: lists, macros and defaults, in a rule file and around it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from parsers.errors import OperatorError, Place
from parsers.message import Trust
from rules.condition import AllOf, AnyOf, Condition, Equals, InList, InNetworks, Not, OneOf
from rules.load import Defaults, LoadedFile, load_rules
from rules.load_pieces import take_pieces
from rules.pieces import Pieces
from rules.rule import Busy, Rate, Retry
from rules.schema import Fields, Problems
from rules.step import Mail, Task
from rules.strict_yaml import parse

FILES = {"staff.txt": "alice\nbob # on leave\n", "nets.txt": "10.0.0.0/8\n", "mixed.txt": "web1\n10.0.0.0/8\n"}


def read_file(name: str, place: Place) -> tuple[str, str | OperatorError]:
    """Read one of a few files that are not on a disk."""
    return f"/etc/{name}", FILES.get(name) or OperatorError(f"{name} is not there", place)


def shared(text: str) -> tuple[Pieces, Problems]:
    """Read `lists` and `macros` as the configuration would."""
    root, problems = parse(text, "c"), Problems()
    assert root is not None
    with Fields(root, problems) as fields:
        return take_pieces(fields, Pieces(), read_file), problems


def load(text: str, pieces: Pieces | None = None) -> LoadedFile:
    """Load a rule file."""
    return load_rules(text, "f", Defaults(pieces=pieces or Pieces(), read_file=read_file))


def matches(loaded: LoadedFile) -> list[Condition]:
    """What the rules of a file match."""
    assert not loaded.errors
    return [rule.match for rule in loaded.rules]


OFFICE = InNetworks("source.ip", (ip_network("10.0.0.0/8"), ip_network("::1")))
SHARED = """
lists:
  office: [10.0.0.0/8, "::1"]
  staff: {file: staff.txt}
  names: [root, 5]
  all: [$names, $staff, daemon]
macros:
  failed: {event.action: ssh-login, event.outcome: failure}
  outside: not $inside and $failed
  inside: source.ip in $office
"""
FAILED = AllOf((Equals("event.action", "ssh-login"), Equals("event.outcome", "failure")))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("{source.ip: {in: $office}}", OFFICE),
        ("source.ip in $office", OFFICE),
        (
            "source.ip in [192.0.2.0/24, $office]",
            InNetworks("source.ip", (*OFFICE.networks, ip_network("192.0.2.0/24"))),
        ),
        ("{source.ip: [$office]}", OFFICE),
        ("{source.ip: {not: {in: $office}}}", Not(OFFICE)),
        ("source.ip not in $office", Not(OFFICE)),
        ("{user.name: {in: $names}}", OneOf("user.name", ("root", 5))),
        ("{user.name: [$names, x]}", OneOf("user.name", ("root", 5, "x"))),
        ("{user.name: {in: '$names'}}", OneOf("user.name", ("$names",))),
        ("user.name in ['$names']", OneOf("user.name", ("$names",))),
        ("$failed", FAILED),
        ("{all: [$failed, {a: b}]}", AllOf((FAILED, Equals("a", "b")))),
        ("{not: $inside}", Not(OFFICE)),
        ("$inside or a == 'b'", AnyOf((OFFICE, Equals("a", "b")))),
        ("$outside", AllOf((Not(OFFICE), FAILED))),
    ],
)
def test_pieces_stand_for_what_they_say(text: str, condition: Condition) -> None:
    """A list within `in` or a list of values, a macro where a condition stands; text in quotes is text."""
    pieces, problems = shared(SHARED)
    assert not problems.errors
    assert matches(
        load(f"- {{rule: r, match: {text}}}" if text[0] == "{" else f"- rule: r\n  match: {text}", pieces)
    ) == [condition]


def test_a_list_in_a_file_is_a_condition_of_its_own() -> None:
    """What a file holds stays behind its name, beside the values that stand in the rule file."""
    pieces, _ = shared(SHARED)
    (staff,) = pieces.files()
    assert (staff.name, staff.path, staff.size) == ("staff", "/etc/staff.txt", 2)
    assert matches(load("- {rule: r, match: {user.name: {in: $staff}}}", pieces)) == [InList("user.name", staff)]
    wanted = AnyOf((OneOf("user.name", ("daemon", "root", 5, "x")), InList("user.name", staff)))
    assert matches(load("- {rule: r, match: {user.name: [$all, x]}}", pieces)) == [wanted]


def test_a_rule_file_may_have_its_own() -> None:
    """They hide what is called the same elsewhere, and only in this file; macros elsewhere mean what they meant."""
    pieces, _ = shared(SHARED)
    text = """
lists: {office: [192.0.2.0/24], more: [$office, 198.51.100.0/24]}
macros: {failed: {a: $names}, mine: $inside}
rules:
  - {rule: a, match: {source.ip: {in: $more}}}
  - {rule: b, match: $mine}
  - {rule: c, match: "$failed and source.ip in $office"}
"""
    own = (ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24"))
    loaded = load(text, pieces)
    assert matches(loaded)[0] in (InNetworks("source.ip", own), InNetworks("source.ip", own[::-1]))
    assert matches(loaded)[1] == OFFICE
    assert matches(loaded)[2] == AllOf((Equals("a", "$names"), InNetworks("source.ip", own[:1])))
    assert matches(load("- {rule: c, match: $failed}", pieces)) == [FAILED]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("lists: {a: 5}", 'c:1:12: "a": a list is wanted, or {file: PATH} with one entry a line'),
        ("lists: {a b: [5]}", 'c:1:9: "a b" cannot be a name; use letters, figures, - and _'),
        ("lists: {$a: [5]}", 'c:1:9: "$a" cannot be a name; write a without the $'),
        (
            "lists: {a: [10.0.0.0/8, web1]}",
            'c:1:25: "a": "web1" is no network, and "10.0.0.0/8" in the same list is one',
        ),
        ("lists: {a: [10.0.0.1/8]}", "did you mean 10.0.0.0/8?"),
        ("lists: {a: [x], b: [10.0.0.0/8], c: [$a, $b]}", 'c:1:37: "c": networks and other values are in one list'),
        ("lists: {a: [$b], b: [$a]}", '"b": the list uses itself: $a → $b → $a'),
        ("lists: {a: [$c], bc: [x]}", 'c:1:13: "a": there is no list $c; did you mean $bc?'),
        ("lists: {a: {fle: staff.txt}}", 'c:1:13: unknown key "fle" in "list"; did you mean "file"?'),
        ("macros: {a: $b, b: {c: d, any: [$c]}, c: not $a}", 'c:1:46: "c": the macro uses itself: $a → $b → $c → $a'),
        ("macros: {a: $a}", 'c:1:13: "a": the macro uses itself: $a → $a'),
        ("macros: {a: $inn, in: {x: y}}", 'c:1:13: "a": there is no macro $inn; did you mean $in?'),
        ("macros: {a: x ~ '('}", "c:1:18: "),
        ("lists: {a: [x]}\nmacros: {a: {x: y}}", 'c:2:10: "a" is a list already, in line 1; choose another name'),
        ("lists: {a: [x]}\nmacros: {b: $a}", '"b": $a is a list, not a condition; write "FIELD in $a"'),
        ("macros: {b: {x: y}, c: x in $b}", '"c": $b is a macro, not a list; it stands where a condition does'),
    ],
)
def test_a_wrong_piece_says_where(text: str, error: str) -> None:
    """Each mistake is one error, at its own place."""
    _, problems = shared(text)
    (found,) = problems.errors
    assert error in str(found)


def test_a_rule_that_uses_a_wrong_macro_is_off() -> None:
    """The mistake is the only error, and each that needs it says where to look."""
    text = "macros: {a: {x: {gt: high}}, b: $a}\nrules:\n- {rule: r, match: $b}\n- {rule: s, match: {}}"
    loaded = load(text)
    assert [rule.name for rule in loaded.rules] == ["s"]
    (error,) = map(str, loaded.errors)
    assert error.startswith('f:1:22: "gt"')
    assert [str(warning) for warning in loaded.warnings] == [
        "f:1:33: off as well, for the macro $a is wrong: see f:1:10",
        "f:3:20: off as well, for the macro $b is wrong: see f:1:30",
    ]


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("gone.txt", 'c:1:19: "a": gone.txt is not there'),
        ("mixed.txt", '/etc/mixed.txt:1:1: "a": "web1" is no network'),
    ],
)
def test_a_list_whose_file_cannot_be_read_is_lost(file: str, error: str) -> None:
    """That is no error of what names it; what uses it is off, also by way of other lists and of macros."""
    pieces, problems = shared(f"lists: {{a: {{file: {file}}}, b: [$a, x], c: [x]}}\nmacros: {{d: x in $b}}")
    assert problems.errors == ()
    ((listed, found),) = pieces.lost().items()
    assert (listed.name, listed.path) == ("a", f"/etc/{file}")
    assert error in str(found)
    assert pieces.files() == ()
    loaded = load("[{rule: r, match: x in $a}, {rule: s, match: $d}, {rule: t, match: x in $c}]", pieces)
    assert [rule.name for rule in loaded.rules] == ["t"]
    assert loaded.errors == ()
    assert loaded.off == {"r", "s"}
    assert loaded.lost == {}


def test_a_lost_list_is_an_error_of_the_rule_file_that_names_it() -> None:
    """The rules that use it are off, the others run; the configuration's of the same name takes its place."""
    text = "lists: {a: {file: gone.txt}}\nrules: [{rule: r, match: {}, unless: x in $a}, {rule: s, match: {}}]"
    loaded = load(text)
    assert [rule.name for rule in loaded.rules] == ["s"]
    assert list(map(str, loaded.errors)) == ['f:1:19: "a": gone.txt is not there']
    assert list(loaded.lost.values()) == list(loaded.errors)
    usual = "lists: {a: {usual: [x]}}\nrules: [{rule: r, match: {}, unless: x in $a}]"
    pieces, _ = shared("lists: {a: {file: gone.txt}}")
    loaded = load(usual, pieces)
    assert (loaded.rules, loaded.lost, loaded.errors) == ((), {}, ())


def test_a_rule_that_uses_a_wrong_list_is_off() -> None:
    """It would match what nobody meant; a list that uses the wrong one is wrong as well."""
    text = "lists: {a: [10.0.0.1/8], b: [$a]}\nrules:\n- {rule: r, match: x in $b}\n- {rule: s, match: {}}"
    loaded = load(text)
    assert [rule.name for rule in loaded.rules] == ["s"]
    assert len(loaded.errors) == 1
    assert [str(warning) for warning in loaded.warnings] == [
        "f:1:30: off as well, for the list $a is wrong: see f:1:9",
        "f:3:25: off as well, for the list $b is wrong: see f:1:26",
    ]


def test_unknown_names_in_rules_name_the_nearest() -> None:
    """A misspelt list or macro turns the rule off."""
    pieces, _ = shared(SHARED)
    loaded = load("- {rule: r, match: {a: {in: $ofice}}}\n- {rule: s, match: $faild}", pieces)
    assert not loaded.rules
    first, second = map(str, loaded.errors)
    assert first == 'f:1:29: "in": there is no list $ofice; did you mean $office?'
    assert second == 'f:2:20: "match": there is no macro $faild; did you mean $failed?'


def test_a_list_that_is_compared_as_text_is_doubted() -> None:
    """`$office` as a plain value is text, and probably not meant."""
    pieces, _ = shared(SHARED)
    loaded = load("- {rule: r, match: {source.ip: $office}}", pieces)
    assert "f:1:32: this is compared as text; for a value of the list write {in: $office}" in str(loaded.warnings[0])


def test_what_nothing_uses_is_warned_of() -> None:
    """In a rule file at once; the configuration's pieces, once all files are read."""
    text = "lists: {a: [x], b: [y]}\nmacros: {c: z in $b, d: $c, e: {x: y}}\nrules: [{rule: r, match: $c}]"
    assert [str(doubt) for doubt in load(text).warnings] == [
        "f:1:9: nothing uses the list $a",
        "f:2:22: nothing uses the macro $d",
        "f:2:29: nothing uses the macro $e",
    ]
    pieces, _ = shared(SHARED)
    used = load("- {rule: r, match: $outside}", pieces).used
    assert [doubt.problem for doubt in pieces.unused(used)] == ["nothing uses the list $all"]


DEFAULTS = """
defaults:
  trust: network
  run: {timeout: 5s}
  retry: {times: 3, wait: 1s}
  on_failure: {mail: [ops], subject: "${rule.name}"}
  busy: drop
  rate: {count: 5, within: 1m}
  idempotent: false
  suppress: 10m
rules:
  - {rule: a, match: {}, do: {run: [x]}, when: {count: 2, within: 1m, by: [host.name]}}
  - {rule: b, match: {}, do: {run: [x], timeout: 6s}, retry: {times: 9}, busy: coalesce, trust: local, on_failure: [],
     rate: null, idempotent: true}
  - {rule: c, match: {}}
  - {rule: d, match: {}, do: {run: [x]}, undo: {after: 1m, run: [y]}}
"""


def test_defaults_stand_for_what_a_rule_leaves_out() -> None:
    """A rule's own key wins, and null or [] takes a default away; what would mean nothing for a rule is left out."""
    loaded = load(DEFAULTS)
    assert not loaded.errors
    assert not loaded.warnings
    a, b, c, d = loaded.rules
    assert (a.trust, a.busy, a.idempotent, a.rate) == (Trust.NETWORK, Busy.DROP, False, Rate(5, 60.0))
    assert a.retry == Retry(times=3, wait=1.0)
    (mail,) = a.on_failure
    assert isinstance(mail, Mail)
    assert mail.name == "a/on_failure/1"
    assert a.suppress is not None
    assert (a.suppress.seconds, a.suppress.by) == (600.0, ("host.name",))
    (task,) = a.do
    assert isinstance(task, Task)
    assert task.timeout == 5.0
    assert (b.trust, b.busy, b.rate, b.on_failure, b.idempotent) == (Trust.LOCAL, Busy.COALESCE, None, (), True)
    assert b.retry is not None
    assert b.retry.times == 9
    assert (c.on_failure, c.retry, c.suppress, c.trust) == ((), None, None, Trust.NETWORK)
    assert d.busy is Busy.QUEUE


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{retry: {tims: 3}}", 'f:1:20: unknown key "tims" in "retry"; did you mean "times"?'),
        ("{timeout: 5s}", 'f:1:12: "timeout" is of processes; write {run: {timeout: ...}}'),
        ("{on_failure: {ruin: [x]}}", 'unknown key "ruin"'),
        ("{busy: later}", 'f:1:18: "busy": one of'),
        ("{tryst: local}", 'f:1:12: unknown key "tryst" in "defaults"; did you mean "trust"?'),
    ],
)
def test_a_wrong_default_is_said_once(text: str, error: str) -> None:
    """Not once for each rule; and rules that do not need it load."""
    loaded = load(f"defaults: {text}\nrules:\n- {{rule: a, match: {{}}, do: {{run: [x]}}}}\n- {{rule: b, match: {{}}}}")
    (found,) = loaded.errors
    assert error in str(found)
    assert len(loaded.rules) == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("lists: {}", 'f:1:1: the key "rules" is missing; [] for none'),
        ("rules: {rule: a}", 'f:1:8: "rules": a list is wanted here, not a mapping'),
        ("rules: []\nmacro: {}", 'f:2:1: unknown key "macro"; did you mean "macros"?'),
        ("{rule: a, match: {}}", 'f:1:1: a rule file is a list: begin each rule with "- rule: NAME"'),
        ("other: 5", "f:1:1: a rule file is a list of rules"),
    ],
)
def test_a_file_with_shared_pieces_is_a_mapping_with_rules(text: str, error: str) -> None:
    """What else a file may hold is told."""
    (found,) = load(text).errors
    assert error in str(found)
