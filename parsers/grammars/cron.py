"""cron: the jobs that Vixie cron, cronie, Debian's cron and anacron start, and changes to the tables.

The forms are those of cron(8) and crontab(1), `(user) ACTION (detail)`, and of anacron(8).

What a local user chose: the command line, which comes last; the user stands first and is cron's.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.cron_examples import EXAMPLES
from parsers.grammars.tokens import end, integer, lit, rest, rx

_PROCESS: dict[str, FieldValue] = {"event.category": ["process"]}
_TABLE: dict[str, FieldValue] = {"event.category": ["configuration"]}


def _user() -> ParserElement:
    return lit("(") + rx(r"[^()]+(?=\) )")("user.name") + lit(") ")


def _daemon() -> ParserElement:
    """Match where cron speaks of itself: `(CRON)`, `(*system*)`."""
    return rx(r"\((?:CRON|crond?|\*system\*[^()]*)\) ")


def _detail(name: str) -> ParserElement:
    """Match a detail in parentheses, up to the last one."""
    return lit("(") + rx(r"(?s:.*)(?=\)\Z)")(name) + lit(")") + end()


def _table(word: str) -> ParserElement:
    return _user() + rx(word) + lit(" ") + _detail("cron.table")


GRAMMAR = Grammar(
    name="cron",
    programs=("cron", "crond", "crontab", "anacron"),
    forms=(
        Form(
            "command",
            _user() + lit("CMD ") + _detail("process.command_line"),
            {**_PROCESS, "event.type": ["start"], "event.action": "cron-job-start"},
        ),
        Form(
            "command-end",
            _user() + lit("CMDEND ") + _detail("process.command_line"),
            {**_PROCESS, "event.type": ["end"], "event.action": "cron-job-end"},
        ),
        Form(
            "output",
            _user() + lit("CMDOUT ") + _detail("cron.output"),
            {**_PROCESS, "event.type": ["info"], "event.action": "cron-job-output"},
        ),
        Form(
            "job-failed",
            _daemon()
            + lit("error (grandchild #")
            + integer()("process.pid")
            + lit(" failed with exit status ")
            + integer()("process.exit_code")
            + lit(")")
            + end(),
            {
                **_PROCESS,
                "event.type": ["end", "error"],
                "event.action": "cron-job-end",
                "event.outcome": "failure",
            },
        ),
        Form(
            "daemon-error",
            _daemon() + rx(r"(?:error|ERROR|DEATH|death) ") + _detail("event.reason"),
            {
                **_PROCESS,
                "event.type": ["error"],
                "event.action": "cron-error",
                "event.outcome": "failure",
            },
        ),
        Form(
            "daemon",
            _daemon() + rx(r"(?:info|INFO|STARTUP) ") + _detail("event.reason"),
            {**_PROCESS, "event.type": ["info"], "event.action": "cron-info"},
        ),
        Form(
            "reload",
            lit("(") + rx(r"[^()]+(?=\) RELOAD )")("user.name") + lit(") RELOAD ") + _detail("cron.table"),
            {**_TABLE, "event.type": ["change"], "event.action": "crontab-reload"},
        ),
        Form(
            "edit",
            _table(r"(?:BEGIN|END) EDIT"),
            {**_TABLE, "event.type": ["access"], "event.action": "crontab-edit"},
        ),
        Form("list", _table("LIST"), {**_TABLE, "event.type": ["access"], "event.action": "crontab-list"}),
        Form(
            "replace",
            _table("REPLACE"),
            {**_TABLE, "event.type": ["change"], "event.action": "crontab-replace", "event.outcome": "success"},
        ),
        Form(
            "delete",
            _table("DELETE"),
            {**_TABLE, "event.type": ["deletion"], "event.action": "crontab-delete", "event.outcome": "success"},
        ),
        Form(
            "not-allowed",
            _user() + lit("AUTH ") + _detail("event.reason"),
            {
                **_TABLE,
                "event.type": ["denied"],
                "event.action": "crontab-access",
                "event.outcome": "failure",
            },
        ),
        Form(
            "mail",
            _user() + lit("MAIL ") + _detail("event.reason"),
            {**_PROCESS, "event.type": ["info"], "event.action": "cron-mail"},
        ),
        Form(
            "bad-table",
            _user()
            + rx(
                r"(?:ORPHAN|INSECURE MODE|WRONG FILE OWNER|WRONG INODE INFO|BAD FILE MODE|CAN'T OPEN"
                r"|ERROR|FAILED|error)(?= \()"
            )("cron.problem")
            + lit(" ")
            + _detail("event.reason"),
            {
                **_TABLE,
                "event.type": ["error"],
                "event.action": "cron-error",
                "event.outcome": "failure",
            },
        ),
        Form(
            "anacron-ends",
            rx(r"Job [`']")
            + rx(r"[^']+")("cron.job")
            + lit("' terminated (exit status: ")
            + integer()("process.exit_code")
            + lit(")")
            + Opt(rx(r" \(mailing output\)"))
            + end(),
            {
                **_PROCESS,
                "event.type": ["end", "error"],
                "event.action": "cron-job-end",
                "event.outcome": "failure",
            },
        ),
        Form(
            "anacron-ended",
            rx(r"Job [`']") + rx(r"[^']+")("cron.job") + lit("' terminated") + Opt(lit(" (mailing output)")) + end(),
            {
                **_PROCESS,
                "event.type": ["end"],
                "event.action": "cron-job-end",
                "event.outcome": "success",
            },
        ),
        Form(
            "anacron-started",
            rx(r"Job [`']") + rx(r"[^']+")("cron.job") + lit("' started") + end(),
            {**_PROCESS, "event.type": ["start"], "event.action": "cron-job-start"},
        ),
        Form(
            "anacron-planned",
            rx(r"Will run job [`']") + rx(r"[^']+")("cron.job") + lit("' in ") + rest(),
            {**_PROCESS, "event.type": ["info"], "event.action": "cron-job-plan"},
        ),
        Form(
            "anacron",
            rx(r"(?:Anacron [^ ]+ started on |Normal exit )") + rest(),
            {**_PROCESS, "event.type": ["info"], "event.action": "cron-info"},
        ),
    ),
    examples=EXAMPLES,
)
