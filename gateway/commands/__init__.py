"""The `gateway` program: one module for each command, imported when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version

from parsers.errors import OperatorError

COMMANDS = (
    "init",
    "check",
    "parse",
    "explain",
    "backtest",
    "library",
    "cert",
    "onboard",
    "account",
    "jobs",
    "open",
    "events",
    "journal",
    "schema",
)
"""In the order in which a newcomer needs them; each module has HELP, add_arguments(parser) and run(arguments)."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; 0 for success, 1 for what the command found wrong, 2 for a wrong command line."""
    words = sys.argv[1:] if words is None else words
    parser = argparse.ArgumentParser(
        prog="gateway",
        description="Remote syslog becomes events, rules match them, local processes run. "
        "The server itself runs under twistd: twistd -n --pidfile= gateway --config gateway.yaml",
    )
    parser.add_argument("--version", action="version", version=f"event-gateway {version('event-gateway')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # only what is called is imported, unless help is wanted on all of it
    for name in words[:1] if words[:1] and words[0] in COMMANDS else COMMANDS:
        module = importlib.import_module(f"gateway.commands.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    try:
        return int(arguments.run(arguments))
    except OperatorError as error:
        from gateway.log import escaped

        print("\n".join(map(escaped, str(error).split("\n"))), file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has enough of it
        return 0
