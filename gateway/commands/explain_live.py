"""`gateway explain --live LINE`: one message, with the rules as they stand in the gateway that runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.told import Known, with_state
from parsers.errors import OperatorError
from rules.standing import Asked, Standing, version_of

if TYPE_CHECKING:
    from gateway.commands.told import Told

NO_GATEWAY = (
    "gateway explain: --live: no gateway runs on the state folder {}; without --live the rules are explained all the "
    "same, but not what they have counted"
)


def explain_live(told: Told, state: Path) -> Told:
    """Ask the gateway that runs how the rules stand for what a message is about.

    Args:
        told: what the stages say, by the configuration as it is on the disk.
        state: the gateway's state folder.

    Raises:
        OperatorError: none runs there, whoever asks may not, or it does not answer.
    """
    from gateway.control.client import NotRunningError, Running
    from gateway.control.standings import portions

    try:
        running = Running(state)
    except NotRunningError:
        raise OperatorError(NO_GATEWAY.format(state)) from None
    versions = {one.rule.name: version_of(one.rule) for one in told.explanations}
    others: dict[str, None] = {}

    def ask(questions: Sequence[Asked]) -> list[Standing]:
        found: list[Standing] = []
        for portion in portions(questions):
            found += running.standings(portion)
        for asked, standing in zip(questions, found, strict=True):
            if asked.rule in versions and standing.version != versions[asked.rule]:
                others[asked.rule] = None
        return found

    try:
        told = with_state(told, ask, Known.LIVE)
    finally:
        running.end()
    return replace(told, others=tuple(others))
