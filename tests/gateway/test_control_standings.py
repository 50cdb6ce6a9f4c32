"""How rules stand, at the control socket: nothing is lost on the way, and a question has an end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.control.standings import (
    MAX_LOOKED_UP,
    MAX_OCTETS,
    asked_from,
    asked_to_dict,
    portions,
    standing_to_dict,
    standings_from,
)
from gateway.control.wire import MAX_REQUEST
from rules.load import Defaults, load_rules
from rules.open_states import OpenState
from rules.rulebook import RuleBook
from rules.standing import Asked, Standing
from rules.windows.window import Progress
from tests.gateway.kept import NOW
from tests.gateway.test_control import Asked as Connection
from tests.rules.test_situation import event

QUESTIONS = [
    Asked("bans", ("192.0.2.7", "\udcff"), trusted=False, suppress=("x",)),
    Asked("all", ()),
]


@pytest.mark.parametrize(
    "standing",
    [
        Standing(),
        Standing("v", Progress(3, 5, None, "words", 12.5, ("a", "b")), OpenState(None, "j"), None, 2, 99.0),
        Standing("v", Progress(1, 0, 5.0), OpenState(7.0, "j", 1.0), 3.0),
    ],
)
def test_answers_come_through(standing: Standing) -> None:
    """As JSON and back."""
    assert standings_from(json.loads(json.dumps([standing_to_dict(standing)]))) == [standing]


def test_questions_come_through() -> None:
    """As JSON and back, also what is no UTF-8."""
    assert asked_from(json.loads(json.dumps(list(map(asked_to_dict, QUESTIONS))))) == QUESTIONS


def test_many_questions_go_in_portions() -> None:
    """Each of which the gateway takes; one that is too large alone stands alone."""
    questions = [Asked("r", (str(number),)) for number in range(MAX_LOOKED_UP + 1)]
    assert [len(portion) for portion in portions(questions)] == [MAX_LOOKED_UP, 1]
    long = [Asked("r", ("x" * (MAX_OCTETS // 3),))] * 7
    sizes = [len(json.dumps(portion)) for portion in portions(long)]
    assert len(sizes) == 4
    assert max(sizes) < MAX_REQUEST
    assert list(portions([])) == []
    with pytest.raises(ValueError, match="more than 500"):
        asked_from([asked_to_dict(QUESTIONS[1])] * (MAX_LOOKED_UP + 1))


def test_the_gateway_answers(tmp_path: Path) -> None:
    """From its rule book, by its clock; too many questions at a time are refused."""
    connection = Connection(tmp_path / "journal")
    rule = "- {rule: r, match: {event.action: a}, when: {count: 5, within: 10m, by: [source.ip]}}"
    connection.rulebook = RuleBook(load_rules(rule, "r.yaml", Defaults()).rules)
    connection.rulebook.feed(event("a"), NOW - 60)
    questions = [asked_to_dict(Asked("r", ("192.0.2.7",))), asked_to_dict(Asked("no", ()))]
    found = standings_from(connection.ask("standings", questions=questions)["standings"])
    assert found[0].progress == Progress(1, 5, until=NOW + 540)
    assert found[1] == Standing()
    connection.say({"ask": "standings", "questions": questions * MAX_LOOKED_UP})
    (answer,) = connection.answers()
    assert "more than 500 rules at a time" in answer["error"]
