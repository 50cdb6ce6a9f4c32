"""A rule file may say what a list usually holds; the configuration's of the same name takes its place."""

from __future__ import annotations

from parsers.errors import Place
from parsers.event import FieldValue
from rules.load import Defaults, LoadedFile, load_rules
from rules.load_pieces import take_pieces
from rules.match import wants
from rules.pieces import Pieces
from rules.schema import Fields, Problems
from rules.strict_yaml import MappingNode, parse

FILE = """
lists: {never-ban: {usual: [192.0.2.0/24]}}
rules:
  - {rule: r, match: {a: b}, unless: {source.ip: {in: [127.0.0.0/8, $never-ban]}}}
"""


def pieces(text: str) -> Pieces:
    """Read what a configuration says of lists."""
    root, problems = parse(text, "gateway.yaml"), Problems()
    assert isinstance(root, MappingNode)
    with Fields(root, problems) as fields:
        found = take_pieces(fields, Pieces(), lambda name, _: (f"/etc/{name}", "198.51.100.0/24\n"))
    assert problems.errors == ()
    return found


def load(text: str, outer: Pieces) -> LoadedFile:
    """Load a rule file under a configuration."""
    return load_rules(text, "shipped.yaml", Defaults(pieces=outer))


def excepted(loaded: LoadedFile) -> list[str]:
    """Return which of some addresses the rule leaves out."""
    (rule,) = loaded.rules
    test = wants(rule.match, rule.unless)
    addresses = ("127.0.0.1", "192.0.2.7", "198.51.100.7")
    fields: list[dict[str, FieldValue]] = [{"a": "b", "source.ip": address} for address in addresses]
    return [str(one["source.ip"]) for one in fields if test(one) is None]


def test_the_usual_values_stand_where_nobody_says_otherwise() -> None:
    """The file loads by itself."""
    loaded = load(FILE, Pieces())
    assert (loaded.errors, loaded.warnings) == ((), ())
    assert excepted(loaded) == ["127.0.0.1", "192.0.2.7"]


def test_the_configurations_list_takes_their_place() -> None:
    """It counts as used, and other lists of the file are as before."""
    outer = pieces("lists: {never-ban: [198.51.100.0/24]}")
    loaded = load(FILE, outer)
    assert (loaded.errors, loaded.warnings) == ((), ())
    assert excepted(loaded) == ["127.0.0.1", "198.51.100.7"]
    assert list(outer.unused(loaded.used)) == []


def test_it_may_stand_in_a_file() -> None:
    """Whoever reads it anew reads it for the shipped rules too."""
    outer = pieces("lists: {never-ban: {file: never.txt}}")
    assert excepted(load(FILE, outer)) == ["127.0.0.1", "198.51.100.7"]


def test_what_is_wrong_with_it_is_said() -> None:
    """Both keys at once say two things."""
    for text, problem in (
        ("{usual: [a], file: b}", 'unknown key "file"'),
        ("{usual: a}", "a list is wanted"),
    ):
        loaded = load(FILE.replace("{usual: [192.0.2.0/24]}", text), Pieces())
        assert problem in str(loaded.errors[0])
        assert loaded.errors[0].place == Place("shipped.yaml", 2, loaded.errors[0].place.column)  # type: ignore[union-attr]
