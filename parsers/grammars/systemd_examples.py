"""Messages of systemd in our own words, and every field that each must yield."""

from __future__ import annotations

from parsers.event import FieldValue
from parsers.grammar import Example

_SERVICE_START_SUCCESS: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["start"],
    "event.action": "service-start",
    "event.outcome": "success",
}
_TARGET_REACHED: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["start"],
    "event.action": "target-reached",
}
_SERVICE_START_FAILURE: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["error"],
    "event.action": "service-start",
    "event.outcome": "failure",
}
_SERVICE_EXIT: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["end"],
    "event.action": "service-exit",
}
_SERVICE_FAILURE_FAILURE: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["error"],
    "event.action": "service-failure",
    "event.outcome": "failure",
}
_SERVICE_RESTART: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["start"],
    "event.action": "service-restart",
}
_SERVICE_END_SUCCESS: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["end"],
    "event.action": "service-end",
    "event.outcome": "success",
}
_OUT_OF_MEMORY_FAILURE: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["error"],
    "event.action": "out-of-memory",
    "event.outcome": "failure",
}
_SERVICE_TIMEOUT_FAILURE: dict[str, FieldValue] = {
    "event.category": ["process"],
    "event.type": ["error"],
    "event.action": "service-timeout",
    "event.outcome": "failure",
}
_SESSION_START: dict[str, FieldValue] = {
    "event.category": ["session"],
    "event.type": ["start"],
    "event.action": "session-start",
}

EXAMPLES = (
    Example(
        "Started cron.service - Regular background program processing daemon.",
        {
            **_SERVICE_START_SUCCESS,
            "service.name": "cron.service",
            "systemd.description": "Regular background program processing daemon",
        },
    ),
    Example(
        "Started Regular background program processing daemon.",
        {**_SERVICE_START_SUCCESS, "systemd.description": "Regular background program processing daemon"},
    ),
    Example(
        "Started session-3.scope - Session 3 of User alice.",
        {**_SERVICE_START_SUCCESS, "service.name": "session-3.scope", "systemd.description": "Session 3 of User alice"},
    ),
    Example(
        "Starting nginx.service - A web server...",
        {
            "event.category": ["process"],
            "event.type": ["start"],
            "event.action": "service-starting",
            "service.name": "nginx.service",
            "systemd.description": "A web server",
        },
    ),
    Example(
        "Finished logrotate.service - Rotate log files.",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "service-finish",
            "event.outcome": "success",
            "service.name": "logrotate.service",
            "systemd.description": "Rotate log files",
        },
    ),
    Example(
        "Stopping nginx.service - A web server...",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "service-stopping",
            "service.name": "nginx.service",
            "systemd.description": "A web server",
        },
    ),
    Example(
        "Stopped nginx.service - A web server.",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "service-stop",
            "service.name": "nginx.service",
            "systemd.description": "A web server",
        },
    ),
    Example(
        "Stopped target timers.target - Timer Units.",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "target-stop",
            "service.name": "timers.target",
            "systemd.description": "Timer Units",
        },
    ),
    Example(
        "Reloaded nginx.service - A web server.",
        {
            "event.category": ["process"],
            "event.type": ["change"],
            "event.action": "service-reload",
            "service.name": "nginx.service",
            "systemd.description": "A web server",
        },
    ),
    Example(
        "Reached target multi-user.target - Multi-User System.",
        {**_TARGET_REACHED, "service.name": "multi-user.target", "systemd.description": "Multi-User System"},
    ),
    Example("Reached target Multi-User System.", {**_TARGET_REACHED, "systemd.description": "Multi-User System"}),
    Example(
        "Listening on ssh.socket - OpenBSD Secure Shell server socket.",
        {
            "event.category": ["process"],
            "event.type": ["start"],
            "event.action": "socket-listen",
            "service.name": "ssh.socket",
            "systemd.description": "OpenBSD Secure Shell server socket",
        },
    ),
    Example(
        "Closed ssh.socket - OpenBSD Secure Shell server socket.",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "socket-close",
            "service.name": "ssh.socket",
            "systemd.description": "OpenBSD Secure Shell server socket",
        },
    ),
    Example(
        "Created slice user-1000.slice - User Slice of UID 1000.",
        {
            "event.category": ["process"],
            "event.type": ["start"],
            "event.action": "slice-create",
            "service.name": "user-1000.slice",
            "systemd.description": "User Slice of UID 1000",
        },
    ),
    Example(
        "Removed slice user-1000.slice - User Slice of UID 1000.",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "slice-remove",
            "service.name": "user-1000.slice",
            "systemd.description": "User Slice of UID 1000",
        },
    ),
    Example(
        "Mounted srv.mount - /srv.",
        {
            "event.category": ["process"],
            "event.type": ["start"],
            "event.action": "mount",
            "service.name": "srv.mount",
            "systemd.description": "/srv",
        },
    ),
    Example(
        "Unmounted srv.mount - /srv.",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "unmount",
            "service.name": "srv.mount",
            "systemd.description": "/srv",
        },
    ),
    Example(
        "Failed to start nginx.service - A web server.",
        {**_SERVICE_START_FAILURE, "service.name": "nginx.service", "systemd.description": "A web server"},
    ),
    Example(
        "Failed to listen on ssh.socket - OpenBSD Secure Shell server socket.",
        {
            "event.category": ["process"],
            "event.type": ["error"],
            "event.action": "socket-listen",
            "event.outcome": "failure",
            "service.name": "ssh.socket",
            "systemd.description": "OpenBSD Secure Shell server socket",
        },
    ),
    Example(
        "Failed to mount srv.mount - /srv.",
        {
            "event.category": ["process"],
            "event.type": ["error"],
            "event.action": "mount",
            "event.outcome": "failure",
            "service.name": "srv.mount",
            "systemd.description": "/srv",
        },
    ),
    Example(
        "Dependency failed for srv.mount - /srv.",
        {**_SERVICE_START_FAILURE, "service.name": "srv.mount", "systemd.description": "/srv"},
    ),
    Example(
        "Timed out waiting for device dev-sdb1.device - /dev/sdb1.",
        {
            "event.category": ["process"],
            "event.type": ["error"],
            "event.action": "device-wait",
            "event.outcome": "failure",
            "service.name": "dev-sdb1.device",
            "systemd.description": "/dev/sdb1",
        },
    ),
    Example(
        "nginx.service: Main process exited, code=exited, status=1/FAILURE",
        {**_SERVICE_EXIT, "service.name": "nginx.service", "process.exit_code": 1, "systemd.status": "FAILURE"},
    ),
    Example(
        "nginx.service: Main process exited, code=killed, status=9/KILL",
        {**_SERVICE_EXIT, "service.name": "nginx.service", "systemd.result": "killed", "process.signal": "KILL"},
    ),
    Example(
        "nginx.service: Main process exited, code=dumped, status=11/SEGV",
        {**_SERVICE_EXIT, "service.name": "nginx.service", "systemd.result": "dumped", "process.signal": "SEGV"},
    ),
    Example(
        "nginx.service: Control process exited, code=exited, status=203/EXEC",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "service-control-exit",
            "service.name": "nginx.service",
            "process.exit_code": 203,
            "systemd.status": "EXEC",
        },
    ),
    Example(
        "nginx.service: Failed with result 'exit-code'.",
        {**_SERVICE_FAILURE_FAILURE, "service.name": "nginx.service", "systemd.result": "exit-code"},
    ),
    Example("Unit nginx.service entered failed state.", {**_SERVICE_FAILURE_FAILURE, "service.name": "nginx.service"}),
    Example("nginx.service: Unit entered failed state.", {**_SERVICE_FAILURE_FAILURE, "service.name": "nginx.service"}),
    Example(
        "nginx.service: Scheduled restart job, restart counter is at 5.",
        {**_SERVICE_RESTART, "service.name": "nginx.service", "systemd.restarts": "5"},
    ),
    Example(
        "nginx.service: Service RestartSec=100ms expired, scheduling restart.",
        {**_SERVICE_RESTART, "service.name": "nginx.service"},
    ),
    Example(
        "nginx.service: Start request repeated too quickly.",
        {
            **_SERVICE_FAILURE_FAILURE,
            "service.name": "nginx.service",
            "event.reason": "Start request repeated too quickly",
        },
    ),
    Example("nginx.service: Deactivated successfully.", {**_SERVICE_END_SUCCESS, "service.name": "nginx.service"}),
    Example("logrotate.service: Succeeded.", {**_SERVICE_END_SUCCESS, "service.name": "logrotate.service"}),
    Example(
        "nginx.service: Consumed 1min 2.345s CPU time, 512.0M memory peak.",
        {
            "event.category": ["process"],
            "event.type": ["info"],
            "event.action": "service-usage",
            "service.name": "nginx.service",
            "systemd.cpu_time": "1min 2.345s",
        },
    ),
    Example(
        "nginx.service: A process of this unit has been killed by the OOM killer.",
        {
            **_OUT_OF_MEMORY_FAILURE,
            "service.name": "nginx.service",
            "event.reason": "A process of this unit has been killed by the OOM killer",
        },
    ),
    Example(
        "Killed /system.slice/nginx.service due to memory pressure for /system.slice being 80% > 60% for > 20s",
        {
            **_OUT_OF_MEMORY_FAILURE,
            "systemd.cgroup": "/system.slice/nginx.service",
            "event.reason": "memory pressure for /system.slice being 80% > 60% for > 20s",
        },
    ),
    Example(
        "nginx.service: Killing process 812 (a) with signal SIGKILL. b) with signal SIGTERM.",
        {
            "event.category": ["process"],
            "event.type": ["end"],
            "event.action": "service-kill",
            "service.name": "nginx.service",
            "process.pid": 812,
            "process.name": "a) with signal SIGKILL. b",
            "process.signal": "TERM",
        },
    ),
    Example(
        "nginx.service: State 'stop-sigterm' timed out. Killing.",
        {**_SERVICE_TIMEOUT_FAILURE, "service.name": "nginx.service", "event.reason": "State 'stop-sigterm' timed out"},
    ),
    Example(
        "nginx.service: Watchdog timeout (limit 30s)!",
        {**_SERVICE_TIMEOUT_FAILURE, "service.name": "nginx.service", "event.reason": "Watchdog timeout (limit 30s)"},
    ),
    Example(
        "Startup finished in 2.345s (kernel) + 6.789s (userspace) = 9.134s.",
        {"event.category": ["host"], "event.type": ["start"], "event.action": "boot-finish"},
    ),
    Example(
        "Reloading.",
        {
            "event.category": ["process"],
            "event.type": ["change"],
            "event.action": "systemd-reload",
            "event.reason": "Reloading",
        },
    ),
    Example("New session 3 of user alice.", {**_SESSION_START, "systemd.session": "3", "user.name": "alice"}),
    Example(
        "New session '3' of user 'alice' with class 'user' and type 'tty'.",
        {**_SESSION_START, "systemd.session": "3", "user.name": "alice"},
    ),
    Example(
        "Removed session 3.",
        {"event.category": ["session"], "event.type": ["end"], "event.action": "session-end", "systemd.session": "3"},
    ),
    Example(
        "Session 3 logged out. Waiting for processes to exit.",
        {
            "event.category": ["session"],
            "event.type": ["end"],
            "event.action": "session-logout",
            "systemd.session": "3",
        },
    ),
    Example(
        "New seat seat0.",
        {"event.category": ["host"], "event.type": ["info"], "event.action": "seat-new", "systemd.seat": "seat0"},
    ),
    Example(
        "Watching system buttons on /dev/input/event0 (Power Button)",
        {
            "event.category": ["host"],
            "event.type": ["info"],
            "event.action": "button-watch",
            "systemd.device": "/dev/input/event0",
            "systemd.description": "Power Button",
        },
    ),
    Example(
        "Power key pressed.",
        {
            "event.category": ["host"],
            "event.type": ["info"],
            "event.action": "button-press",
            "systemd.button": "Power key",
        },
    ),
    Example(
        "Lid closed.",
        {"event.category": ["host"], "event.type": ["info"], "event.action": "lid", "event.reason": "closed"},
    ),
    Example(
        "System is rebooting.",
        {
            "event.category": ["host"],
            "event.type": ["end"],
            "event.action": "shutdown",
            "event.reason": "System is rebooting",
        },
    ),
    Example("Queued start job for default target graphical.target.", None),
    Example("Started", None),
    Example("nginx.service: Something else happened", None),
)
