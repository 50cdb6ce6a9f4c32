"""Files that one step moves or deletes and a later one wants."""

from __future__ import annotations

import pytest

from rules.load import Defaults, load_rules

MOVED = (
    "is not there any more: r/do/1 has moved it to kept; move it in the last step, or name the file in its new place"
)
DELETED = "is not there any more: r/do/1 has deleted it; delete it in the last step"


def warnings(steps: str, part: str = "do") -> list[str]:
    """Load a rule with these steps; return what is said of them."""
    text = f"- rule: r\n  match: {{}}\n  when: {{count: 1, by: []}}\n  {part}: [{steps}]\n"
    loaded = load_rules(text, "f", Defaults())
    assert not loaded.errors
    return list(map(str, loaded.warnings))


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("{move: '${file.path}', to: kept}, {run: [import, '${file.path}']}", MOVED),
        ("{move: '${file.path}', to: kept}, {run: [import, '--file=${file.path}']}", MOVED),
        ("{move: '${file.path}', to: kept}, {mail: root, subject: x}, {delete: '${file.path}'}", MOVED),
        ("{delete: '${file.path}'}, {move: '${file.path}', to: kept}", DELETED),
        ("{delete: '/spool/${file.name}'}, {run: [import, '/spool/${file.name}']}", DELETED),
    ],
)
def test_a_step_that_wants_a_file_that_is_gone_is_warned_of(steps: str, problem: str) -> None:
    """The place is that of the later step, which is the one that fails."""
    (said,) = warnings(steps)
    later = len("  do: [") + steps.rindex(", {") + 4
    assert said.startswith(f"f:4:{later}: ")
    assert said.endswith(problem)


def test_decrypting_wants_a_file_without_naming_it() -> None:
    """Which one that is, the step knows."""
    said = warnings("{delete: '${file.path}'}, {decrypt: {key: k}}, {run: [import, '${file.decrypted.path}']}")
    assert f"f:4:35: ${{file.path}} {DELETED}" in said


@pytest.mark.parametrize(
    "steps",
    [
        "{run: [import, '${file.path}']}, {move: '${file.path}', to: kept}",
        "{move: '${file.path}', to: kept}, {mail: root, subject: 'imported ${file.path}'}",
        "{move: '${file.path}', to: kept}, {emit: {event.action: imported, file.path: '${file.path}'}}",
        "{move: '${file.path}', to: kept}, {run: [import, 'kept/${file.name}']}",
        "{delete: '${file.path}'}, {delete: '${file.path}.done'}",
    ],
)
def test_what_is_done_last_or_only_named_is_right(steps: str) -> None:
    """A mail tells what was; a file in its new place is there."""
    assert warnings(steps) == []


def test_each_part_of_a_rule_is_looked_at() -> None:
    """By itself: `on_failure` may move what `do` has not."""
    text = """
- rule: r
  match: {}
  when: {count: 1, by: []}
  do:
    - {run: [import, "${file.path}"]}
    - {move: "${file.path}", to: kept}
  on_failure:
    - {delete: "${file.path}"}
    - {run: [import, "${file.path}"]}
  undo:
    after: 1h
    do:
      - {delete: "${file.path}"}
      - {run: [import, "${file.path}"]}
"""
    loaded = load_rules(text, "f", Defaults())
    assert [(said.place.line, said.problem.split(": ")[1].split(" ")[0]) for said in loaded.warnings if said.place] == [
        (10, "r/on_failure/1"),
        (15, "r/undo/1"),
    ]
