"""Conditions hold for what they say, and for nothing else."""

from __future__ import annotations

import re
from ipaddress import ip_network

import pytest

from parsers.event import FieldValue
from rules.condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Contains,
    Equals,
    Exists,
    Glob,
    InNetworks,
    Matches,
    Not,
    OneOf,
)
from rules.lists import MAX_ADDRESSES
from rules.match import compile_condition, plain, wants

MIXED: list[FieldValue] = [None, ["root"], {"root": "root"}, 22, "root"]

HOLDS: list[tuple[Condition, list[FieldValue], list[FieldValue]]] = [
    (
        Equals("x", "root"),
        ["root", ["admin", "root"], MIXED],
        ["Root", "roots", "", None, [], ["admin"], {"root": 1}, [["root"]]],
    ),
    (Equals("x", 22), [22, 22.0, "22", [22], ["1", "22"]], ["022", "22.0", 220, True, None]),
    (Equals("x", "22"), [22, "22"], ["22 ", 2]),
    (Equals("x", True), [True, "true"], ["True", 1, "1", "yes"]),
    (Equals("x", False), [False, "false"], [0, "", None]),
    (Equals("x", 1.5), [1.5, "1.5"], ["1.50", 1]),
    (Equals("x", ""), [""], [None, [], " "]),
    (Equals("x", "None"), ["None"], [None, [None]]),
    (OneOf("x", ("a", 5, True)), ["a", 5, "5", True, ["z", "a"]], ["b", 1, None, [["a"]], {"a": 5}]),
    (OneOf("x", ()), [], ["", None, "a"]),
    (Contains("x", "oo"), ["root", ["a", "foo"], "oo"], ["Oo", "o", None, {"oo": 1}, [["oo"]]]),
    (Contains("x", "4"), [443, 1.4], [5]),
    (Glob("x", "*/in/*.csv"), ["/srv/in/a.csv", "/in/\n.csv"], ["/in/a.csv.tmp", "in/a.csv", None]),
    (Glob("x", "a?[0-9]"), ["ab7", "a\udc807"], ["a7", "abx", "Ab7"]),
    (Matches("x", re.compile("ro+t")), ["xroooty", ["a", "rot"]], ["rt", "ROOT", None, {"rot": 1}, [["rot"]]]),
    (Matches("x", re.compile("^44")), [443, "44"], [344]),
    (Compare("x", "gt", 4), [5, 4.5, "5", "4.0001", " 5".strip(), "1e3", [1, 9]], [4, 3, "4", True, None, "five"]),
    (Compare("x", "ge", 4), [4, "4", "+4"], [3, "nan", "inf", "1_000", " 5", "\uff15", "0x10", "", "1e9999"]),
    (Compare("x", "lt", 0), [-1, "-1", "-.5"], [0, False, "-inf", "-"]),
    (Compare("x", "le", 0), [0, -0.0, "0"], [1, False]),
    (Exists("x", True), ["", 0, False, [], {}], [None]),
    (Exists("x", False), [None], ["", 0, False]),
    (
        InNetworks("x", (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("fe80::/10"))),
        ["10.1.2.3", "::ffff:10.1.2.3", "2001:DB8::1", "fe80::1%eth0", ["x", "10.0.0.1"]],
        ["11.0.0.1", "::10.1.2.3", "10.1.2", "10.1.2.3/32", "010.1.2.3", " 10.1.2.3", "10.1.2.3:80", 167837697, None],
    ),
    (InNetworks("x", (ip_network("::ffff:0:0/96"),)), ["::ffff:192.0.2.7"], ["192.0.2.7"]),
    (InNetworks("x", (ip_network("0.0.0.0/0"),)), ["192.0.2.7", "::ffff:1.2.3.4"], ["::1", "x" * 100_000, "%", ""]),
    (Not(Equals("x", "root")), ["admin", None, []], ["root", ["root", "admin"]]),
    (AnyOf((Equals("x", 1), Equals("x", 2))), [1, 2], [3]),
    (AnyOf(()), [], [1]),
    (AllOf((Compare("x", "gt", 1), Compare("x", "lt", 3))), [2], [1, 3]),
    (AllOf(()), [1, None], []),
]


@pytest.mark.parametrize(
    ("condition", "these", "others"), HOLDS, ids=[str(condition)[:60] for condition, _, _ in HOLDS]
)
def test_a_condition_holds_for_these_values(
    condition: Condition, these: list[FieldValue], others: list[FieldValue]
) -> None:
    """Numbers and their text are one; of a list one value is enough; lists in lists and tables are no values."""
    test = compile_condition(condition)
    for expected, values in ((True, these), (False, others)):
        for value in values:
            fields: dict[str, FieldValue] = {} if value is None else {"x": value}
            assert test(fields) is expected, value


def test_structured_data_is_reached_by_id_and_param() -> None:
    """The part behind the last dot is the parameter's name."""
    fields: dict[str, FieldValue] = {"log.syslog.structured_data": {"a.b@1": {"k": "v"}}}
    name = "log.syslog.structured_data.a.b@1.k"
    assert compile_condition(Equals(name, "v"))(fields)
    assert compile_condition(Exists(name, True))(fields)
    assert not compile_condition(Exists(f"{name}.z", True))(fields)


def test_plain_text_of_values() -> None:
    """What is compared is what a person would write."""
    values: list[str | float] = ["a", 1, 1.0, -0.0, 1.5, 1e20, True, False]
    assert [plain(value) for value in values] == ["a", "1", "1", "0", "1.5", "100000000000000000000", "true", "false"]


def test_named_groups_become_fields_of_the_rules_copy() -> None:
    """What a regular expression finds is this rule's alone; what the event has stays, and the gateway's own too."""
    pattern = re.compile("(?P<user_name>[a-z]+) (?P<source_port>[0-9]+)(?P<gateway_trust> x)?(?P<host_name> h)?")
    event: dict[str, FieldValue] = {"message": "mallory 17 x", "source.port": 5}
    found = wants(Matches("message", pattern), None)(event)
    assert found == {**event, "user.name": "mallory"}
    assert event == {"message": "mallory 17 x", "source.port": 5}
    assert wants(Equals("source.port", 5), None)(event) == event


def test_conditions_may_ask_for_what_others_find_in_any_order() -> None:
    """The keys of a YAML mapping have no order, so what finds a field goes before what asks for it."""
    finds = Matches("message", re.compile("^(?P<user_name>[a-z]+)"))
    asks = Equals("user.name", "root")
    for parts in ((finds, asks), (asks, finds), (AnyOf((asks,)), finds), (asks, AllOf((finds,)))):
        assert wants(AllOf(parts), None)({"message": "root"}) == {"message": "root", "user.name": "root"}
        assert wants(AllOf(parts), None)({"message": "admin"}) is None
    assert wants(finds, asks)({"message": "root"}) is None


def test_what_did_not_hold_adds_no_fields() -> None:
    """Not, an alternative that fails, and `unless` leave nothing behind."""
    finds = Matches("message", re.compile("(?P<user_name>[a-z]+)"))
    fails = AllOf((finds, Equals("x", 1)))
    event: dict[str, FieldValue] = {"message": "root"}
    for match, unless in (
        (AnyOf((fails, Exists("message", True))), None),
        (Not(fails), None),
        (Exists("message", True), fails),
        (Exists("message", True), Not(finds)),
    ):
        assert wants(match, unless)(event) == {"message": "root"}
    assert event == {"message": "root"}
    assert wants(AnyOf((fails, finds)), None)(event) == {**event, "user.name": "root"}


def test_unless_excludes() -> None:
    """A match that `unless` holds for is none."""
    test = wants(Equals("x", 1), InNetworks("source.ip", (ip_network("10.0.0.0/8"),)))
    assert test({"x": 1, "source.ip": "192.0.2.7"}) is not None
    assert test({"x": 1, "source.ip": "10.0.0.1"}) is None
    assert test({"x": 2}) is None


def test_networks_remember_a_bounded_number_of_addresses() -> None:
    """A stranger chooses addresses; the memory of them ends, and the answers stay right."""
    test = compile_condition(InNetworks("x", (ip_network("10.0.0.0/16"),)))
    for number in range(MAX_ADDRESSES + 100):
        assert test({"x": f"10.{number >> 8}.{number & 255}.1"}) is (number < 256)
    assert test({"x": "10.0.0.1"})
