"""Tasks for the tests of the runner, read from a file of JSON as the gateway's are from its configuration."""

from __future__ import annotations

import json
import time
from pathlib import Path

from parsers.errors import OperatorError, Place
from rules.mail import sendmail_task
from rules.step import Limits, Mail, Task


def load_tasks(config: Path) -> dict[str, Task]:
    """Load the tasks, `mail` makes one that sends mail.

    A file that holds `broken` is the operator's error, `crash` ours, `slow` never loads.
    """
    text = config.read_text()
    if text == "broken":
        raise OperatorError("there is no key 'rnu'; did you mean 'run'?", Place(str(config), 3, 7))
    if text == "crash":
        raise RuntimeError("a bug")
    if text == "slow":
        time.sleep(600)
    tasks = {}
    for name, values in json.loads(text).items():
        limits = Limits(**values.pop("limits", {}))
        if "mail" in values:
            mail = Mail(name, tuple(values["mail"]), "subject: ${text}")
            tasks[name] = sendmail_task(mail, values["sendmail"], values.get("sender"), Task("", ()))
            continue
        tasks[name] = Task(name, tuple(values.pop("argv")), limits=limits, **values)
    return tasks
