"""Messages of sudo in our own words, and every field that each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example

_SUDO_COMMAND_SUCCESS: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["start"],
    "event.action": "sudo-command",
    "event.outcome": "success",
}
_SUDO_COMMAND_FAILURE: dict[str, FieldValue] = {
    "event.category": ["authentication", "process"],
    "event.type": ["denied"],
    "event.action": "sudo-command",
    "event.outcome": "failure",
}

EXAMPLES = (
    Example(
        "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id -u",
        {
            **_SUDO_COMMAND_SUCCESS,
            "user.name": "alice",
            "process.tty.name": "pts/0",
            "process.working_directory": "/home/alice",
            "user.effective.name": "root",
            "process.command_line": "/usr/bin/id -u",
        },
    ),
    Example(
        "  deploy : PWD=/ ; USER=postgres ; GROUP=dba ; TSID=00001A ; ENV=PGPORT=5433 ; COMMAND=/usr/bin/psql",
        {
            **_SUDO_COMMAND_SUCCESS,
            "user.name": "deploy",
            "process.working_directory": "/",
            "user.effective.name": "postgres",
            "group.name": "dba",
            "sudo.tsid": "00001A",
            "sudo.env": "PGPORT=5433",
            "process.command_line": "/usr/bin/psql",
        },
    ),
    Example(
        "alice : HOST=web1 ; TTY=pts/1 ; CHROOT=/srv/jail ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
        {
            **_SUDO_COMMAND_SUCCESS,
            "user.name": "alice",
            "host.target.name": "web1",
            "process.tty.name": "pts/1",
            "sudo.chroot": "/srv/jail",
            "process.working_directory": "/",
            "user.effective.name": "root",
            "process.command_line": "/bin/sh",
        },
    ),
    Example(
        "alice : TTY=pts/0 ; PWD=/tmp/a ; USER=bob ; COMMAND=/bin/true ; USER=root ; COMMAND=/bin/sh",
        {**_SUDO_COMMAND_SUCCESS, "user.name": "alice"},
    ),
    Example(
        "alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/echo a ; USER=bob",
        {**_SUDO_COMMAND_SUCCESS, "user.name": "alice"},
    ),
    Example(
        "alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/sh",
        {
            **_SUDO_COMMAND_FAILURE,
            "user.name": "alice",
            "event.reason": "3 incorrect password attempts",
            "process.tty.name": "pts/0",
            "process.working_directory": "/home/alice",
            "user.effective.name": "root",
            "process.command_line": "/bin/sh",
        },
    ),
    Example(
        "eve : user NOT in sudoers ; TTY=pts/2 ; PWD=/home/eve ; USER=root ; COMMAND=/bin/cat /etc/shadow",
        {
            **_SUDO_COMMAND_FAILURE,
            "user.name": "eve",
            "event.reason": "user NOT in sudoers",
            "process.tty.name": "pts/2",
            "process.working_directory": "/home/eve",
            "user.effective.name": "root",
            "process.command_line": "/bin/cat /etc/shadow",
        },
    ),
    Example(
        "bob : command not allowed ; TTY=pts/3 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/su -",
        {
            **_SUDO_COMMAND_FAILURE,
            "user.name": "bob",
            "event.reason": "command not allowed",
            "process.tty.name": "pts/3",
            "process.working_directory": "/home/bob",
            "user.effective.name": "root",
            "process.command_line": "/bin/su -",
        },
    ),
    Example(
        "bob : a password is required ; TTY=unknown ; PWD=/ ; USER=root ; COMMAND=list",
        {
            **_SUDO_COMMAND_FAILURE,
            "user.name": "bob",
            "event.reason": "a password is required",
            "process.tty.name": "unknown",
            "process.working_directory": "/",
            "user.effective.name": "root",
            "process.command_line": "list",
        },
    ),
    Example(
        "bob : command not allowed ; TTY=pts/3 ; PWD=/x ; USER=y ; COMMAND=z ; USER=root ; COMMAND=/bin/su -",
        {**_SUDO_COMMAND_FAILURE, "user.name": "bob", "event.reason": "command not allowed"},
    ),
    Example(
        "alice : 1 incorrect password attempt",
        {**_SUDO_COMMAND_FAILURE, "user.name": "alice", "event.reason": "1 incorrect password attempt"},
    ),
    Example(
        "alice : (command continued) --more words",
        {
            "event.category": ["process"],
            "event.type": ["info"],
            "event.action": "sudo-command-continued",
            "user.name": "alice",
            "process.command_line": "--more words",
        },
    ),
    Example(
        "no tty present and no askpass program specified",
        {**_SUDO_COMMAND_FAILURE, "event.reason": "no tty present and no askpass program specified"},
    ),
    Example(
        "unknown user: nobody2",
        {
            "event.category": ["authentication", "process"],
            "event.type": ["denied"],
            "event.action": "sudo-command",
            "event.outcome": "failure",
            "event.reason": "unknown user",
            "user.effective.name": "nobody2",
        },
    ),
    Example("unable to resolve host web1: Name or service not known", None),
)
