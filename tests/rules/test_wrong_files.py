"""Wrong rule files: each mistake is one error at its own place that says what to do, and the rest of the file runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import loading
from gateway.commands.check import check
from gateway.commands.findings import Finding
from parsers.errors import OperatorError
from parsers.grammars import json_cee, sshd, sudo
from rules.strict_yaml import parse
from tests.rules.wrong_files import expected, told

FILES = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))
EVERY = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)

OFF = {"no-list", "yaml-bracket", "yaml-colon", "yaml-star", "yaml-tab", "yaml-two-documents"}
"""Files of which nothing can be read."""


class Checked:
    """What `gateway check` says of all these files, each of which has one rule more, which is right."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "gateway.yaml"
        self.file.write_text("sources: {syslog: {udp: 5514}}\nrules: [rules/*.yaml]\n")
        (folder / "rules").mkdir()
        for file in FILES:
            (folder / "rules" / file.name).write_text(file.read_text() + _right(file))
        self.findings: dict[str, list[Finding]] = {file.name: [] for file in FILES}
        self.elsewhere: list[Finding] = []
        for finding in check(self.file).findings:
            if finding.kind == "error":
                named = self.findings.get(Path(finding.place.file).name if finding.place else "", self.elsewhere)
                named.append(finding)


def _right(file: Path) -> str:
    """Return a rule that goes with the others of a file."""
    if file.stem in OFF:
        return ""
    indent = "  " if "\nrules:\n" in file.read_text() else ""
    return f"{indent}- rule: beside-{file.stem}\n{indent}  match: {{event.action: sudo-command}}\n"


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Check all files in one go, with a few grammars."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "builtin_grammars", lambda: (sshd.GRAMMAR, sudo.GRAMMAR, json_cee.GRAMMAR))
        return Checked(tmp_path_factory.mktemp("wrong"))


@EVERY
def test_a_mistake_is_one_error_at_its_place(file: Path, checked: Checked) -> None:
    """Nothing else is an error because of it, and the text is the one that stands in the file."""
    found = [told(finding, checked.folder / "rules", checked.folder) for finding in checked.findings[file.name]]
    assert found == [expected(file)]


def test_nothing_is_wrong_elsewhere(checked: Checked) -> None:
    """No file is blamed for another's mistake, nor the configuration."""
    assert checked.elsewhere == []


def test_the_other_rules_of_a_file_run(checked: Checked) -> None:
    """A mistake turns its own rule off, and what cannot do without that one; only no YAML is off as a whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "builtin_grammars", lambda: (sshd.GRAMMAR,))
        running = {rule.name for rule in loading.load_all(checked.file).rules}
    assert {f"beside-{file.stem}" for file in FILES if file.stem not in OFF} <= running
    for rule in (
        "field-misspelt",
        "emit-what-it-matches",
        "pong",
        "macro-wrong",
        "list-of-both",
        "rule-name-with-blanks",
    ):
        assert rule not in running


@pytest.mark.parametrize("name", sorted(OFF - {"no-list"}))
def test_a_file_that_is_off_as_a_whole_is_no_yaml(name: str) -> None:
    """Only such a mistake takes the other rules with it."""
    with pytest.raises(OperatorError):
        parse((FILES[0].parent / f"{name}.yaml").read_text(), name)
