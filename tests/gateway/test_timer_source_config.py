"""Timers in the configuration: what is read, what is usual, and what is said of mistakes."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config import ConfigErrors, load
from gateway.schedule import Cron, Every
from gateway.source_config import kind_of, place_of
from gateway.timer_source_config import Missed, TimerSource


def read(folder: Path, text: str, name: str = "nightly") -> TimerSource:
    """Read one timer out of a configuration."""
    file = folder / "gateway.yaml"
    file.write_text(f"sources: {{{name}: {text}}}\n")
    (source,) = load(file).sources
    assert isinstance(source, TimerSource)
    return source


def problems(folder: Path, text: str) -> str:
    """Return what is said of a timer with mistakes."""
    with pytest.raises(ConfigErrors) as caught:
        read(folder, text)
    return str(caught.value)


def test_a_cron_expression(tmp_path: Path) -> None:
    """It goes by its zone; what was missed is told once, if nothing else is said."""
    source = read(tmp_path, '{timer: "0 2 * * *", zone: Europe/Berlin}')
    berlin = ZoneInfo("Europe/Berlin")
    assert (source.schedule, source.zone, source.missed) == (Cron("0 2 * * *", berlin), berlin, Missed.ONCE)
    assert (kind_of(source), place_of(source)) == ("timer", "0 2 * * *, Europe/Berlin")
    assert read(tmp_path, '{timer: "@daily", zone: UTC, missed: skip}').missed is Missed.SKIP


def test_an_interval(tmp_path: Path) -> None:
    """It is whole seconds."""
    assert read(tmp_path, "{timer: 1h30m}").schedule == Every(5400)
    assert read(tmp_path, "{timer: 5m, zone: UTC}").zone is not UTC  # a ZoneInfo of that name
    assert place_of(read(tmp_path, "{timer: 5m}")) == "every 5m"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{timer: 90}", "write a unit: 90s"),
        ("{timer: 500ms}", "whole seconds are wanted, at least 1s, not 500ms"),
        ("{timer: 5 m}", "it has 2"),
        ("{timer: 11y}", "a duration such as 90s"),
        (
            '{timer: "0 25 * * *"}',
            'five cron fields such as "0 2 * * *", or "@daily" is wanted, not "0 25 * * *": bad hour',
        ),
        ("{timer: [5m]}", "an interval such as 5m"),
        ('{timer: "0 2 * * *", zone: Europe/Berlino}', "Europe/Berlin"),
        ('{timer: "0 2 * * *", time_zone: UTC}', "time_zone"),
        ("{timer: 5m, missed: twice}", "once"),
        ("{timer: 5m, tcp: 1514}", "it has tcp and timer"),
        ("{timer: 5m, trusted: []}", "trusted"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, problem: str) -> None:
    """Each is named with what to write, and with its place."""
    said = problems(tmp_path, text)
    assert problem in said
    assert f"{tmp_path}/gateway.yaml:1:" in said


def test_names(tmp_path: Path) -> None:
    """A timer cannot have the name of one of our own datasets."""
    with pytest.raises(ConfigErrors, match="cannot be a source's name"):
        read(tmp_path, "{timer: 5m}", name="drop")


def test_timers_are_named(tmp_path: Path) -> None:
    """The configuration says which of its sources bring no messages."""
    file = tmp_path / "gateway.yaml"
    file.write_text('sources: {nightly: {timer: "0 2 * * *"}, net: {tcp: 1514}, often: {timer: 5m}}\n')
    assert load(file).timers() == ["nightly", "often"]
