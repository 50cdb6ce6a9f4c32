"""Whether an event is one of those that `gateway check` knows."""

from __future__ import annotations

import json

from parsers.message import Message
from rules.own_events import KINDS


def assert_known(message: Message) -> None:
    """See to it that rules about an event of the drop box or of a watched folder are not called broken."""
    fields = json.loads(message.frame)
    dataset, action = message.origin.dataset, fields["event.action"]
    known = [kind.fields for kind in KINDS if kind.dataset == dataset and action in kind.actions]
    assert known, f"rules.own_events.KINDS has no {action} of {dataset}"
    strange = set(fields) - known[0]
    assert not strange, f"rules.own_events.KINDS has no {strange} in {action} of {dataset}"
