"""Messages of su in our own words, and every field that each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example

_USER_SWITCH_SUCCESS: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "user-switch",
    "event.outcome": "success",
}
_USER_SWITCH_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication"],
    "event.type": ["start"],
    "event.action": "user-switch",
    "event.outcome": "failure",
}

EXAMPLES = (
    Example(
        "(to root) alice on pts/0",
        {**_USER_SWITCH_SUCCESS, "user.effective.name": "root", "user.name": "alice", "process.tty.name": "pts/0"},
    ),
    Example(
        "FAILED SU (to root) alice on pts/0",
        {**_USER_SWITCH_FAILURE, "user.effective.name": "root", "user.name": "alice", "process.tty.name": "pts/0"},
    ),
    Example(
        "FAILED SU (to x) root on pts/9) alice on pts/0",
        {
            **_USER_SWITCH_FAILURE,
            "user.effective.name": "x) root on pts/9",
            "user.name": "alice",
            "process.tty.name": "pts/0",
        },
    ),
    Example(
        "Successful su for root by alice", {**_USER_SWITCH_SUCCESS, "user.effective.name": "root", "user.name": "alice"}
    ),
    Example(
        "FAILED su for root by alice", {**_USER_SWITCH_FAILURE, "user.effective.name": "root", "user.name": "alice"}
    ),
    Example(
        "FAILED su for x by root by alice",
        {**_USER_SWITCH_FAILURE, "user.effective.name": "x by root", "user.name": "alice"},
    ),
    Example(
        "+ /dev/pts/0 alice:root",
        {**_USER_SWITCH_SUCCESS, "process.tty.name": "/dev/pts/0", "user.name": "alice", "user.effective.name": "root"},
    ),
    Example(
        "- /dev/pts/0 alice:root",
        {**_USER_SWITCH_FAILURE, "process.tty.name": "/dev/pts/0", "user.name": "alice", "user.effective.name": "root"},
    ),
    Example(
        "BAD SU alice to root on /dev/pts/0",
        {**_USER_SWITCH_FAILURE, "user.name": "alice", "user.effective.name": "root", "process.tty.name": "/dev/pts/0"},
    ),
    Example(
        "alice to root on /dev/pts/0",
        {**_USER_SWITCH_SUCCESS, "user.name": "alice", "user.effective.name": "root", "process.tty.name": "/dev/pts/0"},
    ),
    Example(
        "pam_authenticate: Authentication failure",
        {**_USER_SWITCH_FAILURE, "pam.call": "pam_authenticate", "event.reason": "Authentication failure"},
    ),
    Example(
        "No passwd entry for user 'bob'",
        {
            "event.category": ["authentication"],
            "event.type": ["start"],
            "event.action": "user-switch",
            "event.outcome": "failure",
            "event.reason": "no such user",
            "user.effective.name": "bob",
        },
    ),
    Example("user bob does not exist", None),
    Example("(to root) alice", None),
)
