"""Messages of cron in our own words, and every field that each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example

_CRON_JOB_START: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["start"],
    "event.action": "cron-job-start",
}
_CRON_JOB_END_FAILURE: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["end", "error"],
    "event.action": "cron-job-end",
    "event.outcome": "failure",
}
_CRON_INFO: dict[str, FieldValue] = {"event.category": ["process"], "event.type": ["info"], "event.action": "cron-info"}
_CRONTAB_RELOAD: dict[str, FieldValue] = {
    "event.category": ["configuration"],
    "event.type": ["change"],
    "event.action": "crontab-reload",
}
_CRONTAB_EDIT: dict[str, FieldValue] = {
    "event.category": ["configuration"],
    "event.type": ["access"],
    "event.action": "crontab-edit",
}
_CRON_ERROR_FAILURE: dict[str, FieldValue] = {
    "event.category": ["configuration"],
    "event.type": ["error"],
    "event.action": "cron-error",
    "event.outcome": "failure",
}

EXAMPLES = (
    Example(
        "(root) CMD (cd / && run-parts --report /etc/cron.hourly)",
        {**_CRON_JOB_START, "user.name": "root", "process.command_line": "cd / && run-parts --report /etc/cron.hourly"},
    ),
    Example(
        '(alice) CMD (echo "(root) CMD (x)")',
        {**_CRON_JOB_START, "user.name": "alice", "process.command_line": 'echo "(root) CMD (x)"'},
    ),
    Example(
        "(root) CMDEND (run-parts /etc/cron.hourly)",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "cron-job-end",
            "user.name": "root",
            "process.command_line": "run-parts /etc/cron.hourly",
        },
    ),
    Example(
        "(alice) CMDOUT (done)",
        {
            "event.category": ["process"],
            "event.type": ["info"],
            "event.action": "cron-job-output",
            "user.name": "alice",
            "cron.output": "done",
        },
    ),
    Example(
        "(CRON) error (grandchild #4711 failed with exit status 1)",
        {**_CRON_JOB_END_FAILURE, "process.pid": 4711, "process.exit_code": 1},
    ),
    Example(
        "(CRON) error (can't fork)",
        {
            "event.category": ["process"],
            "event.type": ["error"],
            "event.action": "cron-error",
            "event.outcome": "failure",
            "event.reason": "can't fork",
        },
    ),
    Example("(CRON) INFO (pidfile fd = 3)", {**_CRON_INFO, "event.reason": "pidfile fd = 3"}),
    Example(
        "(CRON) info (No MTA installed, discarding output)",
        {**_CRON_INFO, "event.reason": "No MTA installed, discarding output"},
    ),
    Example("(CRON) STARTUP (1.5.7)", {**_CRON_INFO, "event.reason": "1.5.7"}),
    Example(
        "(*system*) RELOAD (/etc/crontab)", {**_CRONTAB_RELOAD, "user.name": "*system*", "cron.table": "/etc/crontab"}
    ),
    Example(
        "(alice) RELOAD (crontabs/alice)", {**_CRONTAB_RELOAD, "user.name": "alice", "cron.table": "crontabs/alice"}
    ),
    Example("(alice) BEGIN EDIT (alice)", {**_CRONTAB_EDIT, "user.name": "alice", "cron.table": "alice"}),
    Example("(alice) END EDIT (alice)", {**_CRONTAB_EDIT, "user.name": "alice", "cron.table": "alice"}),
    Example(
        "(root) LIST (alice)",
        {
            "event.category": ["configuration"],
            "event.type": ["access"],
            "event.action": "crontab-list",
            "user.name": "root",
            "cron.table": "alice",
        },
    ),
    Example(
        "(alice) REPLACE (alice)",
        {
            "event.category": ["configuration"],
            "event.type": ["change"],
            "event.action": "crontab-replace",
            "event.outcome": "success",
            "user.name": "alice",
            "cron.table": "alice",
        },
    ),
    Example(
        "(alice) DELETE (alice)",
        {
            "event.category": ["configuration"],
            "event.type": ["deletion"],
            "event.action": "crontab-delete",
            "event.outcome": "success",
            "user.name": "alice",
            "cron.table": "alice",
        },
    ),
    Example(
        "(eve) AUTH (crontab command not allowed)",
        {
            "event.category": ["configuration"],
            "event.type": ["denied"],
            "event.action": "crontab-access",
            "event.outcome": "failure",
            "user.name": "eve",
            "event.reason": "crontab command not allowed",
        },
    ),
    Example(
        "(root) MAIL (mailed 57 bytes of output but got status 0x004b)",
        {
            "event.category": ["process"],
            "event.type": ["info"],
            "event.action": "cron-mail",
            "user.name": "root",
            "event.reason": "mailed 57 bytes of output but got status 0x004b",
        },
    ),
    Example(
        "(bob) ORPHAN (no passwd entry)",
        {**_CRON_ERROR_FAILURE, "user.name": "bob", "cron.problem": "ORPHAN", "event.reason": "no passwd entry"},
    ),
    Example(
        "(*system*backup) WRONG FILE OWNER (/etc/cron.d/backup)",
        {
            **_CRON_ERROR_FAILURE,
            "user.name": "*system*backup",
            "cron.problem": "WRONG FILE OWNER",
            "event.reason": "/etc/cron.d/backup",
        },
    ),
    Example("Anacron 2.3 started on 2024-05-01", {**_CRON_INFO}),
    Example(
        "Will run job `cron.daily' in 5 min.",
        {
            "event.category": ["process"],
            "event.type": ["info"],
            "event.action": "cron-job-plan",
            "cron.job": "cron.daily",
        },
    ),
    Example("Job `cron.daily' started", {**_CRON_JOB_START, "cron.job": "cron.daily"}),
    Example(
        "Job `cron.daily' terminated (mailing output)",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "cron-job-end",
            "event.outcome": "success",
            "cron.job": "cron.daily",
        },
    ),
    Example(
        "Job `cron.daily' terminated (exit status: 1) (mailing output)",
        {**_CRON_JOB_END_FAILURE, "cron.job": "cron.daily", "process.exit_code": 1},
    ),
    Example("Normal exit (1 job run)", {**_CRON_INFO}),
    Example("(root) CMD run-parts", None),
)
