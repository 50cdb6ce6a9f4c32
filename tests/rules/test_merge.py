"""Rules of several files: each name once, and what they say of each other holds."""

from __future__ import annotations

from rules.load import Defaults, load_rules
from rules.merge import Merged, merge


def merged(*texts: str) -> Merged:
    """Load and merge files with these texts."""
    return merge([load_rules(text, f"{number}.yaml", Defaults()) for number, text in enumerate(texts, 1)])


def test_files_are_merged_and_a_name_is_used_once() -> None:
    """Across files too the first stays."""
    first = load_rules("- {rule: a, match: {}}", "one.yaml", Defaults())
    second = load_rules("- {rule: b, match: {}}\n- {rule: a, match: {}}", "two.yaml", Defaults())
    rules, found, *_ = merge([first, second])
    assert [(rule.name, rule.place.file) for rule in rules] == [("a", "one.yaml"), ("b", "two.yaml")]
    assert [str(error) for error in found] == [
        'two.yaml:2:4: the rule "a" is there already, at one.yaml:1:4; this one is off: choose another name'
    ]


def test_a_rule_that_pauses_nobody_is_off() -> None:
    """The names are known once all files are read; the error stands at the step."""
    pauses = "- {rule: a, match: {}, do: {run: [x]}, on_failure: [{pause: b}, {resume: c}, {pause: '${rule.name}'}]}"
    one = load_rules(pauses, "one.yaml", Defaults())
    two = load_rules("- {rule: b, match: {}}\n- {rule: cc, match: {}, do: {run: 1}}", "two.yaml", Defaults())
    rules, found, *_ = merge([one, two])
    assert [rule.name for rule in rules] == ["b"]
    assert [str(error) for error in found] == ['one.yaml:1:74: there is no rule "c"; the rule a is off']
    three = load_rules("- {rule: c, match: {}}", "three.yaml", Defaults())
    rules, found, *_ = merge([one, two, three])
    assert [rule.name for rule in rules] == ["a", "b", "c"]
    assert not found


OFF = "- {rule: a, match: {}, do: {run: 1}, undo: {after: 1m, do: []}}\n"


def test_what_asks_for_a_rule_that_is_off_is_off_as_well() -> None:
    """Through however many; the mistake itself is the only error, and who is off because of it is told."""
    found = merged(
        OFF + "- {rule: b, match: {}, if_open: a, undo: {after: 1m, do: []}}\n- {rule: c, match: {}}\n",
        "- {rule: d, match: {}, unless_open: {rule: b}}\n- {rule: e, match: {}, do: {pause: d}}\n",
    )
    assert [rule.name for rule in found.rules] == ["c"]
    assert found.errors == ()
    assert sorted(map(str, found.warnings)) == [
        "1.yaml:2:33: the rule b is off as well, for a is wrong",
        "2.yaml:1:44: the rule d is off as well, for b is wrong",
        "2.yaml:2:36: the rule e is off as well, for d is wrong",
    ]
    assert found.off == {"a", "b", "d", "e"}


def test_a_name_that_is_wrong_once_and_right_once_is_there() -> None:
    """Another file's rule of that name is meant."""
    found = merged(OFF, "- {rule: a, match: {}, undo: {after: 1m, do: []}}\n- {rule: b, match: {}, if_open: a}")
    assert [rule.name for rule in found.rules] == ["a", "b"]
    assert (found.errors, found.warnings, found.off) == ((), (), frozenset())


def test_a_rule_that_feeds_itself_is_off() -> None:
    """The error stands at the step; whoever pauses it is off as well."""
    found = merged("- {rule: a, match: {x: y}, do: {emit: {x: y}}}\n- {rule: b, match: {}, do: {pause: a}}")
    assert found.rules == ()
    ((error,), (warning,)) = found.errors, found.warnings
    assert str(error).startswith("1.yaml:1:33: the rule matches the very event that it emits here; a rule never sees")
    assert str(warning) == "1.yaml:2:36: the rule b is off as well, for a is wrong"
