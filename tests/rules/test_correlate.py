"""Matches become incidents when enough of them came, apart for each key and for senders of each kind."""

from __future__ import annotations

from dataclasses import replace

from rules.correlate import Correlation, Incident, Match, key_of, window_key
from rules.rule import Undo
from rules.windows.window import MAX_VALUE, Completed, Sighting
from tests.rules.sample_rules import AT_ONCE, FAILED, NOW, failed


def _match(correlation: Correlation, address: str = "192.0.2.7", *, trusted: bool = True) -> Match:
    event = failed(address)
    key = key_of(event.fields, correlation.by)
    assert key is not None
    return Match(correlation.rule, event, event.fields, key, trusted)


def _take(correlation: Correlation, match: Match) -> Incident | None:
    """Take a match; return what it completes."""
    sighting = Sighting(match.event, match.fields)
    taken = correlation.take(window_key(match.key, match.trusted), sighting, NOW)
    return correlation.acts(match, taken, NOW) if isinstance(taken, Completed) else None


def test_without_a_condition_over_time_every_match_is_an_incident() -> None:
    """One event, one incident, one key for all."""
    correlation = Correlation(AT_ONCE)
    match = _match(correlation)
    assert _take(correlation, match) == Incident(match, 1)
    assert match.key == ()


def test_enough_matches_of_one_key_are_one_incident() -> None:
    """Other keys count for themselves, and after an incident counting begins anew."""
    correlation = Correlation(FAILED)
    ours, other = _match(correlation), _match(correlation, "192.0.2.8")
    found = [_take(correlation, match) for match in (ours, other, ours, other, ours, ours)]
    assert found == [None, None, None, None, Incident(ours, 3), None]


def test_forged_messages_do_not_complete_a_true_one() -> None:
    """Matches of senders that are not trusted are counted apart."""
    correlation = Correlation(FAILED)
    forged, true = _match(correlation, trusted=False), _match(correlation)
    assert [_take(correlation, match) for match in (forged, forged, true)] == [None, None, None]
    assert _take(correlation, forged) is not None


def test_a_state_is_due_after_its_time_and_grows() -> None:
    """Only a trusted match opens one; each time for the same key it stays open longer, up to a limit."""
    correlation = Correlation(replace(AT_ONCE, undo=Undo((), 10.0, 2.0, 35.0)))
    match, states = _match(correlation), correlation.states
    assert states is not None
    forged = _take(correlation, _match(correlation, trusted=False))
    assert forged is not None
    assert forged.due is None
    found = []
    for _ in range(4):
        incident = _take(correlation, match)
        assert incident is not None
        states.open(match.key, incident.due, "job", NOW)
        assert match.key in states
        states.close(match.key)
        assert match.key not in states
        found.append(None if incident.due is None else incident.due - NOW)
    assert found == [10.0, 20.0, 35.0, 35.0]


def test_window_keys_of_the_two_kinds_never_meet() -> None:
    """A stranger who writes the word into a field gains nothing."""
    assert window_key(("a", "untrusted"), trusted=True) != window_key(("a", "untrusted"), trusted=False)
    assert window_key((), trusted=False) != window_key((), trusted=True)


def test_a_long_value_is_remembered_in_short() -> None:
    """A stranger chooses how long a value is; two long ones stay two, and a key stands for itself."""
    one, other = key_of({"a": "x" * 60_000}, ("a",)), key_of({"a": "x" * 60_001}, ("a",))
    assert one is not None
    assert one != other
    assert len(one[0]) == MAX_VALUE
    assert one[0].startswith("xxx")
    assert key_of({"a": one[0]}, ("a",)) == one
    assert key_of({"a": "é" * MAX_VALUE}, ("a",)) == ("é" * MAX_VALUE,)
    assert len(key_of({"a": "\udcff" * 60_000}, ("a",))[0]) == MAX_VALUE  # type: ignore[index]


def test_an_event_without_a_field_counts_nowhere() -> None:
    """What cannot be told apart is not thrown together."""
    assert key_of({"a": 1}, ("a", "b")) is None
    assert key_of({"a": 1, "b": True}, ("a", "b")) == ("1", "true")
    assert key_of({}, ()) == ()
