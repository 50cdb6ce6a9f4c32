"""`gateway schema`: what it prints is a JSON Schema that holds for everything that ships."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.commands import main
from gateway.config import library_names
from gateway.sample import config_text, rule_texts
from gateway.schema import DIALECT, FOLDER, NAMES, file_name, schema_of, schema_text
from gateway.schema.shapes import ecma
from parsers.fields import KNOWN
from rules.strict_yaml import parse
from tests.gateway.schema_documents import plain

ROOT = Path(__file__).parents[2]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what the command prints."""
    assert main(["schema", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_what_is_printed_is_a_schema(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the dialect that it names, with a name and a title of its own."""
    schema = json.loads(printed(capsys, name))
    assert schema["$schema"] == DIALECT
    assert schema["$id"].endswith(name)
    assert schema["title"]
    Draft202012Validator.check_schema(schema)
    assert schema == schema_of(name)


def test_the_configuration_is_meant_where_nothing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the file that everybody has."""
    assert printed(capsys) == printed(capsys, "config")


def test_it_goes_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same text, also in the place of an older one; what cannot be written is said."""
    file = tmp_path / "rules.json"
    file.write_text("old")
    assert printed(capsys, "rules", "--output", str(file)) == ""
    assert file.read_text() == schema_text("rules")
    assert main(["schema", "--output", str(tmp_path / "none" / "x.json")]) == 1
    assert "the schema cannot be written: No such file or directory" in capsys.readouterr().err


def test_all_are_renewed_beside_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After an upgrade: in the folder that the files of `gateway init` point to."""
    said = printed(capsys, "--write", str(tmp_path))
    for name in NAMES:
        file = tmp_path / FOLDER / file_name(name)
        assert file.read_text() == schema_text(name)
        assert str(file) in said
        file.write_text("old")
    printed(capsys, "--write", str(tmp_path))
    assert {(tmp_path / FOLDER / file_name(name)).read_text() for name in NAMES} == set(map(schema_text, NAMES))
    assert main(["schema", "rules", "--write", str(tmp_path)]) == 1
    printed(capsys, "--write", str(tmp_path / "new" / "folder"))
    assert (tmp_path / "new" / "folder" / FOLDER / file_name("rules")).read_text() == schema_text("rules")
    (tmp_path / "file").touch()
    assert main(["schema", "--write", str(tmp_path / "file")]) == 1
    assert "the schema cannot be written: Not a directory" in capsys.readouterr().err


def shipped() -> Iterator[tuple[str, str, str, str]]:
    """Yield what ships: its name, the kind of its schema, its text, and the folder of its schema as it sees it."""
    yield "conf/gateway.yaml", "config", (ROOT / "conf/gateway.yaml").read_text(), ""
    for network in (False, True):
        yield f"gateway.yaml of `gateway init`, {network=}", "config", config_text(network=network), ""
    for path in sorted((ROOT / "conf/rules").iterdir()):
        yield f"conf/rules/{path.name}", "rules", path.read_text(), "../"
    for name, text in rule_texts().items():
        yield f"rules/{name} of `gateway init`", "rules", text, "../"
    for name in library_names():
        text = resources.files("rules").joinpath("library", f"{name}.yaml").read_text("utf-8")
        yield f"library/{name}.yaml", "rules", text, "../"


@pytest.mark.parametrize(("file", "kind", "text", "way"), [pytest.param(*each, id=each[0]) for each in shipped()])
def test_what_ships_is_as_its_schema_says_and_names_it(file: str, kind: str, text: str, way: str) -> None:
    """The first line leads an editor to the schema that `gateway init` has put beside the configuration.

    A file of the library names it as it will be right once the file is copied among one's own rules.
    """
    assert text.startswith(f"# yaml-language-server: $schema={way}{FOLDER}/{file_name(kind)}\n")
    root = parse(text, file)
    assert root is not None
    Draft202012Validator(schema_of(kind)).validate(plain(root))


def test_rule_files_of_other_tests_are_as_the_schema_says() -> None:
    """Those that stand for what people write; there are wrong ones, too, but elsewhere."""
    validator = Draft202012Validator(schema_of("rules"))
    for file in (ROOT / "tests" / "end_to_end").rglob("*.yaml"):
        root = parse(file.read_text(), str(file))
        assert root is not None
        validator.validate(plain(root))


@pytest.mark.parametrize("page", ["README.md", "rules/README.md"])
def test_examples_of_the_documentation_are_as_the_schema_says(page: str) -> None:
    """They are rule files, or settings of a configuration that has a source as well."""
    blocks = re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```", (ROOT / page).read_text("utf-8"))
    assert blocks
    for block in blocks:
        indent = len(block) - len(block.lstrip(" "))
        text = re.sub(f"(?m)^ {{{indent}}}", "", block)
        settings = text.startswith("# gateway.yaml\n")
        root = parse(f"{text}sources: {{tcp: {{tcp: 1514}}}}\n" if settings else text, page)
        assert root is not None
        Draft202012Validator(schema_of("config" if settings else "rules")).validate(plain(root))


def _owners(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the schema of every key of every mapping."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                for name, inner in value.items():
                    yield f"{path}/{name}", inner
            if key not in ("examples", "enum", "default"):
                yield from _owners(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from _owners(value, f"{path}/{number}")


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_described(name: str) -> None:
    """The description is what an editor shows for a key; defaults and examples are what may stand there."""
    schema = schema_of(name)
    validator = Draft202012Validator(schema)
    for path, owner in _owners(schema):
        target = schema["$defs"][owner["$ref"].removeprefix("#/$defs/")] if "$ref" in owner else {}
        words = owner.get("description", target.get("description", ""))
        is_only_compared = set(owner) <= {"anyOf", "const"}  # the other half of a condition
        assert is_only_compared or re.fullmatch(r"[^\n]+[.]", words), path
        for value in (*owner.get("examples", ()), *([owner["default"]] if "default" in owner else ())):
            validator.evolve(schema=owner).validate(value)


def test_known_fields_are_offered_and_others_allowed() -> None:
    """Grammars, JSON and rules make fields that nobody has heard of."""
    conditions = schema_of("rules")["$defs"]["condition"]["anyOf"][0]["properties"]
    assert set(conditions) == {*KNOWN, "any", "all", "not"}
    assert Draft202012Validator(schema_of("rules")).is_valid([{"rule": "x", "match": {"shop.order.id": 5}}])


WRONG: dict[str, list[object]] = {
    "rules": [
        {"rule": "x"},
        [{"rule": "x", "match": {}, "mach": {}}],
        [{"rule": "X y", "match": {}}],
        [{"match": {}}],
        [{"rule": "x", "match": []}],
        [{"rule": "x", "match": {"a": {"regexp": "x"}}}],
        [{"rule": "x", "match": {"a": None}}],
        [{"rule": "x", "match": {}, "when": {"count": 5, "by": []}}],
        [{"rule": "x", "match": {}, "when": {"count": 5, "within": "10m"}}],
        [{"rule": "x", "match": {}, "when": {"count": 5, "within": 10, "by": []}}],
        [{"rule": "x", "match": {}, "when": {"count": 5, "digest": "1h", "within": "10m", "by": []}}],
        [{"rule": "x", "match": {}, "when": {"digest": "1h", "within": "10m", "by": []}}],
        [{"rule": "x", "match": {}, "do": {"run": "ban x"}}],
        [{"rule": "x", "match": {}, "do": {"run": ["ban"], "mail": "root", "subject": "x"}}],
        [{"rule": "x", "match": {}, "do": {"run": ["ban"], "subject": "x"}}],
        [{"rule": "x", "match": {}, "do": {"run": ["ban"], "timeout": "5 minutes"}}],
        [{"rule": "x", "match": {}, "do": {"run": ["ban"], "output": "64K"}}],
        [{"rule": "x", "match": {}, "do": {"mail": "root"}}],
        [{"rule": "x", "match": {}, "do": {"dead_letter": "x"}}],
        [{"rule": "x", "match": {}, "do": {"emit": {"gateway.trust": "local"}}}],
        [{"rule": "x", "match": {}, "do": {"run": ["x"]}, "undo": {"run": ["x"]}}],
        [{"rule": "x", "match": {}, "do": {"run": ["x"]}, "undo": {"after": "1m"}}],
        [{"rule": "x", "match": {}, "retry": {"jitter": 0.2}}],
        [{"rule": "x", "match": {}, "busy": "wait"}],
        [{"rule": "x", "match": {}, "test": [{"times": 5}]}],
        [{"rule": "x", "match": {}, "test": [{"send": "x", "expect": {"rule": "x"}}]}],
        {"lists": {"a b": []}, "rules": []},
        {"macros": {"a": {}}},
    ],
    "config": [
        {},
        {"sources": {}},
        {"sources": {"a": {"tcp": 1514}}, "source": {}},
        {"sources": {"drop": {"tcp": 1514}}},
        {"sources": {"a": {"tcp": 70000}}},
        {"sources": {"a": {"tcp": 1514, "udp": 1514}}},
        {"sources": {"a": {"udp": 1514, "framing": "auto"}}},
        {"sources": {"a": {"tls": 6514, "client_ca": "ca.pem"}}},
        {"sources": {"a": {"tcp": 1}}, "library": ["nothing"]},
        {"sources": {"a": {"tcp": 1}}, "limits": {"idle": 60}},
        {"sources": {"a": {"tcp": 1}}, "journal": {"size": "1G"}},
        {"sources": {"a": {"tcp": 1}}, "mail": {"smtp": "x:25", "sendmail": "/x"}},
        {"sources": {"a": {"tcp": 1}}, "mail": {"smtp": "x:25", "user": "x"}},
        {"sources": {"a": {"tcp": 1}}, "destinations": {"x": {"tcp": "x:1"}}},
        {"sources": {"a": {"tcp": 1}}, "drop": {"rights": ["write"]}},
        {"sources": {"a": {"tcp": 1}}, "defaults": {"timeout": "5m"}},
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_what_is_wrong_in_structure_is_refused(name: str, value: object) -> None:
    """An editor underlines it while it is written."""
    assert not Draft202012Validator(schema_of(name)).is_valid(value)


def test_patterns_are_those_of_both_languages() -> None:
    """A pattern means in an editor what it means here; one that cannot is no schema's."""
    assert ecma(r"[A-Za-z_][\w-]*") == r"^(?:[A-Za-z_][A-Za-z0-9_\u00aa-\uffff-]*)$"
    assert ecma(re.compile(r"\w", re.ASCII)) == "^(?:[A-Za-z0-9_])$"
    for pattern in (r"(?P<a>x)", r"(?i)x", r"x\Z", r"x*+"):
        with pytest.raises(ValueError, match="ECMA"):
            ecma(pattern)
