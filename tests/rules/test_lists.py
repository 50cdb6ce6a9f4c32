"""Lists in files: what a line is, where an address is in, and that nothing is concluded from what they hold today."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network
from random import Random

import pytest

from parsers.errors import OperatorError, Place
from parsers.parse import Parser, builtin_grammars
from rules.answer import explain
from rules.condition import AllOf, Condition, Equals, InList, Not
from rules.lists import Listed, NetworkSet, entries_of, lines_of
from rules.match import compile_condition
from rules.needs import Needs
from rules.review import Review
from rules.rule import Rule
from rules.ways import exclude, follows
from rules.words import words

GRAMMARS = Parser(builtin_grammars()).grammars
NEEDS = Needs(GRAMMARS)


def listed(text: str = "", name: str = "known") -> Listed:
    """A list with the text of its file."""
    return Listed(name, "/etc/known.txt", lines_of(text, "known.txt"))


def test_a_line_is_an_entry() -> None:
    """Comments, blanks around entries, blank lines and the line ends of other systems do not count."""
    text = "\ufeff# staff\r\nalice\r\n\n  bob # on leave\n#eve\nc#sharp\ntwo words\n"
    assert [(entry, place.line, place.column) for entry, place in lines_of(text, "f")] == [
        ("alice", 2, 1),
        ("bob", 4, 3),
        ("c#sharp", 6, 1),
        ("two words", 7, 1),
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("10.0.0.0/8\n\nweb1\n", 'f:3:1: "web1" is no network, and "10.0.0.0/8" in the same list is one; make two'),
        ("web1\n 10.0.0.0/8\n", 'f:1:1: "web1" is no network, and "10.0.0.0/8" in the same list'),
        ("::1\n10.0.0.1/8\n", 'f:2:1: "10.0.0.1/8" is an address inside a network; did you mean 10.0.0.0/8?'),
        ("::1\n10.0.0.300\n", 'f:2:1: "10.0.0.300" is neither an address nor a network'),
        ("10.0.0.300/8\n::1\n", 'f:1:1: "10.0.0.300/8" is neither an address nor a network'),
        ("::1\n2001:db8::g\n", 'f:2:1: "2001:db8::g" is neither an address nor a network'),
        ("10.0.0.0/33\n", 'f:1:1: "10.0.0.0/33" has a wrong prefix: that of an IPv4 network is at most 32'),
        ("2001:db8::/129\n", 'f:1:1: "2001:db8::/129" has a wrong prefix: that of an IPv6 network is at most 128'),
        ("::1\n10.0.0.0/x\n", 'f:2:1: "10.0.0.0/x" has a wrong prefix; a network is written 10.0.0.0/8'),
        ("::1\nhttp://web1:80\n", 'f:2:1: "http://web1:80" is no network, and "::1" in the same list is one; make two'),
        ("a\nb\0c\n", "f:2:1: a NUL character cannot stand in a list; is it the right file?"),
    ],
)
def test_a_wrong_line_is_named(text: str, error: str) -> None:
    """The entry and its line are said, and what to do."""
    with pytest.raises(OperatorError) as caught:
        entries_of(lines_of(text, "f"))
    assert error in str(caught.value)


def test_versions_are_values() -> None:
    """What looks like an address is one entry among others where no network is in the list."""
    assert entries_of(lines_of("10.0.19041.3636\n1.2.3\n", "f")) == {"10.0.19041.3636", "1.2.3"}


def test_too_many_entries_are_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list ends somewhere."""
    monkeypatch.setattr("rules.lists.MAX_ENTRIES", 3)
    with pytest.raises(OperatorError, match=r"f:4:1: more than 3 entries; is it the right file\?"):
        lines_of("a\nb\nc\nd\n", "f")


def test_values_are_compared_as_text() -> None:
    """A number is in the list when its digits are; a list of values holds no networks."""
    test = compile_condition(InList("a", listed("22\ntrue\nroot\n")))
    assert test({"a": 22})
    assert test({"a": "root"})
    assert test({"a": True})
    assert test({"a": ["nobody", "root"]})
    assert not test({"a": "Root"})
    assert not test({})


def test_addresses_are_looked_up_in_networks() -> None:
    """IPv4-mapped IPv6 addresses count as IPv4, zones are ignored, other text is in no network."""
    test = compile_condition(InList("a", listed("10.0.0.0/8\n192.0.2.7\nfe80::/10\n")))
    for address in ("10.1.2.3", "192.0.2.7", "::ffff:10.0.0.1", "fe80::1%eth0"):
        assert test({"a": address})
    for other in ("11.0.0.0", "192.0.2.8", "2001:db8::1", "10.0.0", "x" * 50, 10):
        assert not test({"a": other})


def test_networks_are_found_as_by_looking_at_each() -> None:
    """Random networks that overlap, touch and nest, against the plain search through all of them."""
    random = Random(5)
    for _ in range(30):
        four = [ip_network((random.randrange(2**8) << 24 | random.randrange(2**4) << 20, 32)) for _ in range(3)]
        wide = [ip_network((random.randrange(2**8) << 24, random.choice((8, 9, 7))), strict=False) for _ in range(12)]
        six = [ip_network((random.randrange(2**8) << 120, random.choice((8, 7))), strict=False) for _ in range(5)]
        networks = (*four, *wide, *six)
        found = NetworkSet(networks)
        for _ in range(40):
            address = ip_address(random.choice((random.randrange(2**8) << 24, random.randrange(2**8) << 120)))
            expected = any(address in network for network in networks if network.version == address.version)
            assert found.covers(str(address)) is expected


def test_a_hundred_thousand_networks_cost_no_more_than_ten() -> None:
    """Each look-up halves; a plain search through them would take 200 ms."""
    networks = NetworkSet(ip_network((0x0A000000 + 512 * number, 24)) for number in range(100_000))
    began = time.process_time()
    inside = sum(networks.covers(str(ip_address(0x0A000000 + 256 * number))) for number in range(2000))
    assert inside == 1000
    assert time.process_time() - began < 0.5


def test_what_a_list_holds_may_be_replaced_while_it_is_used() -> None:
    """The condition that was compiled before goes by the new entries."""
    known = listed("alice\n")
    test = compile_condition(InList("a", known))
    assert (test({"a": "alice"}), test({"a": "192.0.2.7"})) == (True, False)
    known.take(entries_of(lines_of("192.0.2.0/24\n", "f")), 1)
    assert (test({"a": "alice"}), test({"a": "192.0.2.7"})) == (False, True)


@pytest.mark.parametrize(
    "field",
    ["log.syslog.severity.code", "event.module", "event.action", "user.name", "message", "process.name", "host.name"],
)
def test_the_sieve_does_not_go_by_what_a_list_holds(field: str) -> None:
    """What is necessary is the same for an empty list and for one that has been filled since."""
    known = listed()
    condition: Condition = AllOf((InList(field, known), Equals("event.outcome", "failure")))
    alone, before = NEEDS.of(InList(field, known)), NEEDS.of(condition)
    known.take(entries_of(lines_of("4\nsshd\nssh-login\nroot\n", "f")), 4)
    assert (NEEDS.of(InList(field, known)), NEEDS.of(condition)) == (alone, before)
    assert alone != ()
    assert before != ()


def test_nothing_is_excluded_by_what_a_list_holds_today() -> None:
    """A rule that an empty list keeps from firing can fire tomorrow."""
    known = InList("user.name", listed())
    other = Equals("user.name", "root")
    assert not exclude(known, other)
    assert not exclude(other, Not(known))
    assert not follows(Not(known), (other,))
    assert exclude(known, Not(known))
    for condition in (known, AllOf((known, other)), InList("log.syslog.severity.code", listed()), Not(known)):
        rule = Rule("r", Place("f"), AllOf((Equals("event.action", "ssh-login"), condition)))
        assert not list(Review(GRAMMARS).of(rule))


def test_a_list_is_named_in_words() -> None:
    """`explain` says the name that the rule file says, and what the event has."""
    condition = InList("source.ip", listed("10.0.0.0/8\n", "office"))
    assert words(condition) == "source.ip: {in: $office}"
    answer = explain(condition, {"source.ip": "10.0.0.1"})
    assert (answer.words, answer.holds, answer.found) == ("source.ip: {in: $office}", True, "10.0.0.1")


def test_lists_are_equal_when_they_are_the_same_file() -> None:
    """Two readings of one rule file make equal rules, whatever the list held."""
    assert InList("a", listed("x\n")) == InList("a", listed("y\n"))
    assert hash(InList("a", listed("x\n"))) == hash(InList("a", listed()))
    assert InList("a", listed(name="one")) != InList("a", listed(name="two"))
    assert "known" in repr(listed())
