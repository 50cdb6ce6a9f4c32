"""The bar that says how far a backtest is: on a terminal only, and a few times a second, so that it costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REDRAWN = 4
"""Times a second that the bar is drawn: each takes some milliseconds."""


@contextmanager
def progress(size: int, *, printing: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar as long as the block lasts, where standard error is a terminal.

    Args:
        size: octets that will be read; 0: nobody knows.
        printing: meanwhile something is printed, which must not be on the same terminal.

    Yields:
        What is to be told how many octets were read.
    """
    if not sys.stderr.isatty() or (printing and sys.stdout.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=Console(stderr=True),
        refresh_per_second=REDRAWN,
        transient=True,
        redirect_stdout=False,  # or what we print would go to standard error
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task("reading", total=size or None)
        done = 0

        def taken(octets: int) -> None:
            nonlocal done
            done += octets
            bar.update(task, completed=done)

        yield taken
