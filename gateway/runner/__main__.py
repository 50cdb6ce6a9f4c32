"""`python -m gateway.runner`: what the gateway starts; nobody else has a use for it."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from gateway.runner.keeper import Keeper, PeerError, forget_what_was_inherited
from gateway.runner.lock import Lock, LockError
from gateway.runner.tasks import LOADER

DEFAULT_LIMIT = 8
"""Tasks at a time: enough to keep a small machine busy, few enough to leave it usable."""

MAX_LIMIT = 256
"""Tasks at a time at most: each takes three descriptors here, and 1,024 is the usual limit."""


def main() -> int:
    """Keep a runner until the gateway is gone; 0 for a good end."""
    options = argparse.ArgumentParser(prog="gateway.runner", description=__doc__)
    options.add_argument("--config", type=Path, required=True, help="the configuration that holds the tasks")
    options.add_argument("--fd", type=int, required=True, help="the descriptor of the socket to the gateway")
    options.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help="how many tasks may run at a time")
    options.add_argument("--lock", type=Path, help="the file whose lock keeps two runners from serving at once")
    options.add_argument("--folders", type=Path, help="the folder for the private folders of jobs")
    options.add_argument("--loader", default=LOADER, help="MODULE:FUNCTION that loads the tasks")
    chosen = options.parse_args()
    config = chosen.config.absolute()
    forget_what_was_inherited(chosen.fd)
    try:
        control = socket.socket(fileno=chosen.fd)
        limit = min(max(1, chosen.limit), MAX_LIMIT)
        lock = Lock(chosen.lock) if chosen.lock else None
        Keeper(control, config, limit, chosen.loader, lock, chosen.folders).keep()
    except (OSError, PeerError, LockError) as error:
        sys.stderr.write(f"the runner cannot go on: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
