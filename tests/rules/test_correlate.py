"""Matches become incidents when enough of them came, apart for each key and for senders of each kind."""

from __future__ import annotations

from rules.correlate import Correlation, Match, key_of, window_key
from tests.rules.sample_rules import AT_ONCE, FAILED, NOW, failed


def _match(correlation: Correlation, address: str = "192.0.2.7", *, trusted: bool = True) -> Match:
    event = failed(address)
    key = key_of(event.fields, correlation.by)
    assert key is not None
    return Match(correlation.rule, event, event.fields, key, trusted)


def test_without_a_condition_over_time_every_match_is_an_incident() -> None:
    """One event, one incident, one key for all."""
    correlation = Correlation(AT_ONCE)
    match = _match(correlation)
    incident = correlation.feed(match, NOW)
    assert incident is not None
    assert (incident.match, incident.count, match.key) == (match, 1, ())


def test_enough_matches_of_one_key_are_one_incident() -> None:
    """Other keys count for themselves, and after an incident counting begins anew."""
    correlation = Correlation(FAILED)
    ours, other = _match(correlation), _match(correlation, "192.0.2.8")
    found = [correlation.feed(match, NOW) for match in (ours, other, ours, other, ours, ours)]
    assert [incident is not None for incident in found] == [False, False, False, False, True, False]
    assert found[4] is not None
    assert (found[4].match, found[4].count) == (ours, 3)


def test_forged_messages_do_not_complete_a_true_one() -> None:
    """Matches of senders that are not trusted are counted apart."""
    correlation = Correlation(FAILED)
    forged, true = _match(correlation, trusted=False), _match(correlation)
    found = [correlation.feed(match, NOW) for match in (forged, forged, true, forged)]
    assert [incident is not None for incident in found] == [False, False, False, True]
    assert found[3] is not None
    assert not found[3].match.trusted


def test_window_keys_of_the_two_kinds_never_meet() -> None:
    """A stranger who writes the word into a field gains nothing."""
    assert window_key(("a", "untrusted"), trusted=True) != window_key(("a", "untrusted"), trusted=False)
    assert window_key((), trusted=False) != window_key((), trusted=True)


def test_an_event_without_a_field_counts_nowhere() -> None:
    """What cannot be told apart is not thrown together."""
    assert key_of({"a": 1}, ("a", "b")) is None
    assert key_of({"a": 1, "b": True}, ("a", "b")) == ("1", "true")
    assert key_of({}, ()) == ()
