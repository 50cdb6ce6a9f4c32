"""How rules stand, as it is asked and answered at the control socket: look-ups by rule and key, so many at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.control.wire import MAX_REQUEST
from rules.open_states import OpenState
from rules.standing import Asked, Standing
from rules.windows.window import Progress

MAX_LOOKED_UP = 500
"""Rules of one question: the gateway looks them up between two batches, in some 20 ms, and asks nobody else."""

MAX_OCTETS = MAX_REQUEST // 2
"""Octets of the look-ups of one question."""

Values = Mapping[str, Any]


def asked_to_dict(asked: Asked) -> dict[str, Any]:
    """Return a question ready for JSON."""
    suppress = None if asked.suppress is None else list(asked.suppress)
    return {"rule": asked.rule, "key": list(asked.key), "trusted": asked.trusted, "suppress": suppress}


def portions(questions: Sequence[Asked]) -> Iterator[list[dict[str, Any]]]:
    """Yield questions ready for JSON, as many at a time as one request may hold."""
    portion: list[dict[str, Any]] = []
    octets = 0
    for values in map(asked_to_dict, questions):
        size = len(json.dumps(values))
        if portion and (len(portion) == MAX_LOOKED_UP or octets + size > MAX_OCTETS):
            yield portion
            portion, octets = [], 0
        portion.append(values)
        octets += size
    if portion:
        yield portion


def asked_from(values: Sequence[Values]) -> list[Asked]:
    """Take questions apart.

    Raises:
        ValueError: there are too many.
    """
    if len(values) > MAX_LOOKED_UP:
        raise ValueError(f"more than {MAX_LOOKED_UP} rules at a time")
    return [
        Asked(
            str(one["rule"]),
            tuple(map(str, one["key"])),
            bool(one["trusted"]),
            None if one["suppress"] is None else tuple(map(str, one["suppress"])),
        )
        for one in values
    ]


def standing_to_dict(standing: Standing) -> dict[str, Any]:
    """Return an answer ready for JSON; what is as usual is left out."""
    values: dict[str, Any] = {
        "version": standing.version,
        "progress": standing.progress and standing.progress._asdict(),
        "opened": standing.opened and standing.opened._asdict(),
        "lasts": standing.lasts,
        "endings": standing.endings or None,
        "suppressed": standing.suppressed,
    }
    return {name: value for name, value in values.items() if value is not None}


def standings_from(values: Sequence[Values]) -> list[Standing]:
    """Take answers apart."""
    return [_standing(one) for one in values]


def _standing(values: Values) -> Standing:
    progress, opened = values.get("progress"), values.get("opened")
    return Standing(
        values.get("version"),
        None if progress is None else _progress(progress),
        None if opened is None else OpenState(_number(opened["due"]), str(opened["job"]), _number(opened["since"])),
        _number(values.get("lasts")),
        int(values.get("endings", 0)),
        _number(values.get("suppressed")),
    )


def _progress(values: Values) -> Progress:
    return Progress(
        int(values["have"]),
        int(values["need"]),
        _number(values["due"]),
        str(values["words"]),
        _number(values["until"]),
        tuple(map(str, values["has"])),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
