"""systemd: units that start, stop and fail, and logind's sessions.

The forms are those of systemd(1) and systemd-logind(8), from release 219 on. Since release 249 a unit is told by name
and description (`Started cron.service - Run jobs.`), before by its description alone, which then is
`systemd.description`.
"""

from __future__ import annotations

from pyparsing import Opt, ParserElement

from parsers.event import FieldValue
from parsers.grammar import Form, Grammar
from parsers.grammars.systemd_examples import EXAMPLES
from parsers.grammars.tokens import end, integer, lit, rest, rx

_PROCESS: dict[str, FieldValue] = {"event.category": ["process"]}
_START: dict[str, FieldValue] = {**_PROCESS, "event.type": ["start"]}
_END: dict[str, FieldValue] = {**_PROCESS, "event.type": ["end"]}
_STARTED: dict[str, FieldValue] = {**_START, "event.action": "service-start", "event.outcome": "success"}
_FAILURE: dict[str, FieldValue] = {
    **_PROCESS,
    "event.type": ["error"],
    "event.action": "service-failure",
    "event.outcome": "failure",
}
_SESSION: dict[str, FieldValue] = {"event.category": ["session"]}
_HOST: dict[str, FieldValue] = {"event.category": ["host"]}

_UNIT = (
    r"[A-Za-z0-9:_.\\@-]+\.(?:service|socket|target|timer|mount|automount|swap|path|slice|scope|device)"
    r"(?![A-Za-z0-9_\\@-])"
)


def _unit() -> ParserElement:
    return rx(_UNIT)("service.name")


def _job(verb: str, stop: str = r"\.") -> ParserElement:
    """Match a verb and what it is about: `Started cron.service - Run jobs.`, `Started Run jobs.`."""
    description = rx(rf".+(?={stop}\Z)")("systemd.description")
    named = _unit() + Opt(lit(" - ") + description)
    return lit(verb) + (named | description) + rx(stop) + end()


def _said(text: ParserElement) -> ParserElement:
    return _unit() + lit(": ") + text


def _exited(kind: str) -> ParserElement:
    status = lit("exited, status=") + integer()("process.exit_code") + Opt(
        lit("/") + rx(r"[^ ]+")("systemd.status")
    ) | rx(r"(?:killed|dumped)(?=, )")("systemd.result") + rx(r", status=[0-9]+/") + rx(r"[^ ]+")("process.signal")
    return _said(lit(f"{kind} process exited, code=") + status + end())


_JOBS = (
    Form("started", _job("Started "), _STARTED),
    Form("finished", _job("Finished "), {**_END, "event.action": "service-finish", "event.outcome": "success"}),
    Form("starting", _job("Starting ", r"\.{3}|…"), {**_START, "event.action": "service-starting"}),
    Form("stopping", _job("Stopping ", r"\.{3}|…"), {**_END, "event.action": "service-stopping"}),
    Form("target-stopped", _job("Stopped target "), {**_END, "event.action": "target-stop"}),
    Form("stopped", _job("Stopped "), {**_END, "event.action": "service-stop"}),
    Form("reloaded", _job("Reloaded "), {**_PROCESS, "event.type": ["change"], "event.action": "service-reload"}),
    Form("reached", _job("Reached target "), {**_START, "event.action": "target-reached"}),
    Form("listening", _job("Listening on "), {**_START, "event.action": "socket-listen"}),
    Form("closed", _job("Closed "), {**_END, "event.action": "socket-close"}),
    Form("slice-created", _job("Created slice "), {**_START, "event.action": "slice-create"}),
    Form("slice-removed", _job("Removed slice "), {**_END, "event.action": "slice-remove"}),
    Form("mounted", _job("Mounted "), {**_START, "event.action": "mount"}),
    Form("unmounted", _job("Unmounted "), {**_END, "event.action": "unmount"}),
    Form("failed-start", _job("Failed to start "), {**_FAILURE, "event.action": "service-start"}),
    Form("failed-listen", _job("Failed to listen on "), {**_FAILURE, "event.action": "socket-listen"}),
    Form("failed-mount", _job("Failed to mount "), {**_FAILURE, "event.action": "mount"}),
    Form("dependency-failed", _job("Dependency failed for "), {**_FAILURE, "event.action": "service-start"}),
    Form("timed-out", _job("Timed out waiting for device "), {**_FAILURE, "event.action": "device-wait"}),
)

_UNITS = (
    Form("main-exited", _exited("Main"), {**_END, "event.action": "service-exit"}),
    Form("control-exited", _exited("Control"), {**_END, "event.action": "service-control-exit"}),
    Form(
        "result",
        _said(lit("Failed with result '") + rx(r"[a-z0-9-]+")("systemd.result") + lit("'.") + end()),
        _FAILURE,
    ),
    Form("entered-failed", lit("Unit ") + _unit() + lit(" entered failed state.") + end(), _FAILURE),
    Form("unit-entered-failed", _said(lit("Unit entered failed state.") + end()), _FAILURE),
    Form(
        "restart",
        _said(lit("Scheduled restart job, restart counter is at ") + integer()("systemd.restarts") + lit(".") + end()),
        {**_START, "event.action": "service-restart"},
    ),
    Form(
        "restart-planned",
        _said(rx(r"Service (?:RestartSec=[^ ]+ expired|hold-off time over), scheduling restart\.") + end()),
        {**_START, "event.action": "service-restart"},
    ),
    Form(
        "restart-limit",
        _said(rx(r"Start request repeated too quickly")("event.reason") + lit(".") + end()),
        _FAILURE,
    ),
    Form(
        "ended",
        _said(rx(r"(?:Succeeded|Deactivated successfully)\.") + end()),
        {**_END, "event.action": "service-end", "event.outcome": "success"},
    ),
    Form(
        "consumed",
        _said(lit("Consumed ") + rx(r"[^,]+?(?= CPU time)")("systemd.cpu_time") + lit(" CPU time") + rest()),
        {**_PROCESS, "event.type": ["info"], "event.action": "service-usage"},
    ),
    Form(
        "out-of-memory",
        _said(
            rx(
                r"(?:A process of this unit has been killed by the OOM killer"
                r"|The kernel OOM killer killed some processes in this unit"
                r"|systemd-oomd killed (?:some|[0-9]+) process(?:\(es\)|es)? in this unit)"
            )("event.reason")
            + lit(".")
            + end()
        ),
        {**_FAILURE, "event.action": "out-of-memory"},
    ),
    Form(
        "oomd",
        lit("Killed ") + rx(r"/[^ ]*(?= due to )")("systemd.cgroup") + lit(" due to ") + rx(r".+")("event.reason"),
        {**_FAILURE, "event.action": "out-of-memory"},
    ),
    Form(
        "killing",
        _said(
            lit("Killing process ")
            + integer()("process.pid")
            + lit(" (")
            + rx(r".*(?=\) with signal SIG[A-Z0-9+-]+\.\Z)")("process.name")
            + lit(") with signal SIG")
            + rx(r"[A-Z0-9+-]+")("process.signal")
            + lit(".")
            + end()
        ),
        {**_END, "event.action": "service-kill"},
    ),
    Form(
        "operation-timed-out",
        _said(
            rx(
                r"(?:(?:start|stop|reload)(?:-[a-z-]+)? operation timed out|State '[a-z-]+' timed out"
                r"|Watchdog timeout \(limit [^()]*\))"
            )("event.reason")
            + rest()
        ),
        {**_FAILURE, "event.action": "service-timeout"},
    ),
    Form(
        "boot-finished",
        lit("Startup finished in ") + rest(),
        {**_HOST, "event.type": ["start"], "event.action": "boot-finish"},
    ),
    Form(
        "manager",
        rx(r"(?:Reloading|Reexecuting)(?=[. ])")("event.reason") + rest(),
        {**_PROCESS, "event.type": ["change"], "event.action": "systemd-reload"},
    ),
)

_LOGIND = (
    Form(
        "session-new",
        lit("New session ")
        + rx(r"'?")
        + rx(r"[A-Za-z0-9]+")("systemd.session")
        + rx(r"'? of user '?")
        + rx(r"[^ ']+(?='?(?: with class '[a-z-]+' and type '[a-z-]+')?\.\Z)")("user.name")
        + rest(),
        {**_SESSION, "event.type": ["start"], "event.action": "session-start"},
    ),
    Form(
        "session-removed",
        lit("Removed session ") + rx(r"[A-Za-z0-9]+")("systemd.session") + lit(".") + end(),
        {**_SESSION, "event.type": ["end"], "event.action": "session-end"},
    ),
    Form(
        "session-logged-out",
        lit("Session ") + rx(r"[A-Za-z0-9]+")("systemd.session") + lit(" logged out.") + rest(),
        {**_SESSION, "event.type": ["end"], "event.action": "session-logout"},
    ),
    Form(
        "seat",
        lit("New seat ") + rx(r"[A-Za-z0-9_-]+")("systemd.seat") + lit(".") + end(),
        {**_HOST, "event.type": ["info"], "event.action": "seat-new"},
    ),
    Form(
        "buttons",
        lit("Watching system buttons on ")
        + rx(r"[^ ]+")("systemd.device")
        + Opt(lit(" (") + rx(r".+(?=\)\Z)")("systemd.description") + lit(")"))
        + end(),
        {**_HOST, "event.type": ["info"], "event.action": "button-watch"},
    ),
    Form(
        "button",
        rx(r"(?:Power key|Reboot key|Suspend key|Hibernate key|Sleep key)(?= pressed)")("systemd.button")
        + rx(r" pressed(?: short| long)?\.")
        + end(),
        {**_HOST, "event.type": ["info"], "event.action": "button-press"},
    ),
    Form(
        "lid",
        lit("Lid ") + rx(r"(?:opened|closed)")("event.reason") + lit(".") + end(),
        {**_HOST, "event.type": ["info"], "event.action": "lid"},
    ),
    Form(
        "power",
        rx(
            r"(?:System is (?:powering down|rebooting|halting)|The system will (?:power off|reboot|halt) now"
            r"|Powering Off|Rebooting|Suspending|Hibernating)(?=[.!…]| )"
        )("event.reason")
        + rest(),
        {**_HOST, "event.type": ["end"], "event.action": "shutdown"},
    ),
)

GRAMMAR = Grammar(
    name="systemd",
    programs=("systemd", "systemd-*"),
    forms=(*_JOBS, *_UNITS, *_LOGIND),
    examples=EXAMPLES,
)
