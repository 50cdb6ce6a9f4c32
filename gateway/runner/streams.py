"""The streams: each has a program that stays, one event out at a time, and answers that tell how it went.

The program reads one event a line (JSON) and answers with one line: `OK` when it is done with it, or what went wrong.
These are the words of rsyslog's omprog with `confirmMessages`; a program that says `OK` once more when it is ready, as
omprog wants it, has `ready: true`. A line that nobody asked for leaves no way to tell which answer belongs to which
event, so such a program is ended and started anew.
"""

from __future__ import annotations

import json
import math
import selectors
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.runner.children import StartError, identity, stream_environment
from gateway.runner.processes import Processes
from gateway.runner.protocol import Start
from gateway.runner.running import Cause, signal_name
from gateway.runner.stream_child import MAX_ANSWER, StreamChild, start_stream
from rules.job import FillError, fill_argv
from rules.outcome import Ending, Outcome
from rules.step import Task

MAX_EVENTS = 64
"""Events of one stream that the runner has, out or in line: enough to keep a fast program busy."""

LONGEST_WAIT = 60.0
"""Seconds between two starts of a program that does not stay; one that lived as long begins anew."""

SETTLING = 1.0
"""Seconds that the next life of a program is listened to which once said what nobody asked for: should it say so again,
no event is taken to be answered by it."""

CANCELLED = "it was cancelled before it was started"
STOPPED = "the gateway stopped before it was started"

SHOWN = 500
"""Characters of a line that are shown."""


class Backoff:
    """How long to wait before a program is started again: 0 s, 1 s, 2 s, 4 s … 60 s."""

    def __init__(self) -> None:
        self._next = 0.0

    def wait(self, *, good: bool) -> float:
        """Return the seconds to wait; `good` begins anew."""
        wait = 0.0 if good else self._next
        self._next = min(max(1.0, 2 * wait), LONGEST_WAIT)
        return wait


@dataclass(slots=True)
class Out:
    """The event that is out: with the program once it is `sent`."""

    start: Start
    task: Task
    since: float
    sent: bool = False


class Stream:
    """One stream; `ended` is told how each attempt ended."""

    def __init__(
        self, name: str, processes: Processes, selector: selectors.BaseSelector, ended: Callable[[Outcome], None]
    ) -> None:
        self._name = name
        self._processes = processes
        self._selector = selector
        self._ended = ended
        self._child: StreamChild | None = None
        self._out: Out | None = None
        self._backoff = Backoff()
        self._not_before = 0.0
        self._answered = False  # this life of the program has
        self._wary = False  # a life of it said what nobody asked for
        self.wake = math.inf
        """The monotonic time at which `go_on` has something to do."""
        self._stderr = (b"", 0)  # what former lives of the program said and no outcome has told

    @property
    def idle(self) -> bool:
        """Whether it has neither a program nor an event."""
        return self._child is None and self._out is None

    def free(self, now: float) -> bool:
        """Tell whether it could take an event now."""
        if self._out is not None:
            return False
        return now >= self._not_before if self._child is None else self._child.usable

    def take(self, start: Start, task: Task) -> None:
        """Take an event; `go_on` gives it to the program."""
        self._out = Out(start, task, time.monotonic())

    def go_on(self) -> None:
        """Give the event that was taken to the program, which is started where it does not run."""
        out, now = self._out, time.monotonic()
        if now >= self.wake:
            self.wake = math.inf
        if out is None or out.sent or (self._child is None and now < self._not_before):
            return
        if self._child is None:
            self._start(out)
        child = self._child
        if child is not None and child.usable and child.ready and now >= child.settled:
            child.read_now()
            if child.usable:
                out.sent = True
                out.since = time.monotonic()
                child.send(_event_line(out.start))

    def cancel(self, job: str) -> bool:
        """End the attempt that is out, if it is this one; its program goes with it."""
        out = self._out
        if out is None or out.start.job != job:
            return False
        if self._child is None or not out.sent:
            self._tell(Ending.NOT_STARTED, CANCELLED)
        else:
            self._processes.end(self._child, Cause.CANCEL)
        return True

    def change(self, task: Task | None) -> None:
        """Go on with another task, or with none: the program ends after the event that it has."""
        out = self._out
        if out is not None and not out.sent:
            if task is None:
                self._tell(Ending.REFUSED, f"the configuration has no stream {self._name} any more")
            else:
                out.task = task
        if self._child is not None and self._child.task == task:
            return
        self._backoff = Backoff()
        self._not_before = 0.0
        self._wary = False
        if self._child is not None:
            self._child.retiring = True
            if out is None or not out.sent:
                self._processes.finish(self._child, Cause.CHANGED)

    def stop(self) -> None:
        """Give no event to the program any more."""
        if self._out is not None and not self._out.sent:
            self._tell(Ending.NOT_STARTED, STOPPED)

    # What the program does

    def said(self, line: bytes) -> None:
        """Take a line for what it is: the answer, a sign of being ready, or neither."""
        child, out = self._child, self._out
        if child is None:
            return
        text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
        shown = text if len(text) <= SHOWN else text[:SHOWN] + "…"
        if len(line) > MAX_ANSWER:
            self._distrust(child, f"it wrote a line of more than {MAX_ANSWER} octets: {shown[:80]}")
        elif not child.ready:
            if text == "OK":
                child.ready = True
                child.until = math.inf
                self.go_on()
            else:
                self._distrust(child, f"it did not say that it is ready, but: {shown}")
        elif out is None or not out.sent:
            self._distrust(child, f"it wrote a line that nobody asked for: {shown}{_hint(child, text)}")
        elif child.unread() > 1:  # the newline, which a reader of JSON may leave
            self._distrust(child, f"it wrote a line before it had read the event: {shown}{_hint(child, text)}")
        else:
            self._take_answer(child, text, shown)

    def closed_input(self) -> None:
        """See what that means for the event that is out."""
        child = self._child
        if child is None:
            return
        if self._out is None or not self._out.sent:
            child.doom("it closed its standard input")
        elif child.unread() > 1:
            child.doom("it closed its standard input before it had read the event")
        else:
            child.retiring = True

    def child_over(self, now: float) -> None:
        """Tell how the event that was out ended, and when the program may be started again."""
        child, out = self._child, self._out
        if child is None:
            return
        stderr, dropped = child.take_stderr()
        self._stderr = _last(self._stderr, stderr, dropped, child.task.output)
        self._child = None
        if child.cause in (None, Cause.TIMEOUT, Cause.OUT_OF_STEP):
            good = now - child.started >= LONGEST_WAIT or (self._answered and child.cause is not Cause.OUT_OF_STEP)
            self._wait(now, good=good)
        unseen = out is not None and (not out.sent or child.untouched)
        if out is None:
            if child.cause is None:
                sys.stderr.write(f"{self._name}: its program ended while it had nothing to do: {_how(child)}\n")
        elif unseen and (child.cause is Cause.CHANGED or (child.cause is None and self._answered)):
            out.sent = False  # the event is for its next life; but one that never answered has failed with each
        else:
            self._tell_of_end(child, out)

    # Steps

    def _start(self, out: Out) -> None:
        task = out.task
        try:
            who = identity(task.user, task.group)
            argv = fill_argv(task.argv, {})  # `$$` is a dollar sign here too; of fields there are none
            variables = stream_environment(task, out.start.rule, who)
            self._child = start_stream(task, argv, variables, who, self._selector, self)
        except FillError as error:
            self._tell(Ending.REFUSED, str(error))
            return
        except StartError as error:
            self._wait(time.monotonic(), good=False)
            self._tell(error.ending, str(error))
            return
        self._answered = False
        if self._wary:
            self._child.settled = self.wake = time.monotonic() + SETTLING
        if task.ready:
            self._child.until = time.monotonic() + task.timeout
        self._processes.add(self._child)

    def _wait(self, now: float, *, good: bool) -> None:
        self._not_before = self.wake = now + self._backoff.wait(good=good)

    def _take_answer(self, child: StreamChild, text: str, shown: str) -> None:
        if text == "OK":
            self._answered = True
            self._tell(Ending.CONFIRMED)
        else:
            self._tell(Ending.DECLINED, shown or "its answer is an empty line")
        child.until = math.inf if child.doomed is None else child.until
        if child.retiring:
            self._processes.finish(child, Cause.CHANGED)

    def _distrust(self, child: StreamChild, words: str) -> None:
        child.doomed = words
        self._wary = True
        if self._out is None or not self._out.sent:
            sys.stderr.write(f"{self._name}: {words}; it is ended\n")
        self._processes.end(child, Cause.OUT_OF_STEP)

    def _tell_of_end(self, child: StreamChild, out: Out) -> None:
        more = child.more_words()
        if not child.ready or (not out.sent and child.cause is Cause.OUT_OF_STEP):
            how = child.doomed or f"its program ended before it was ready: {_how(child)}"
            if child.cause is Cause.TIMEOUT:
                how = f"its program did not say OK within {child.task.timeout:g} seconds of its start"
            self._tell(Ending.NOT_STARTED, "; ".join([how, *more]), child)
            return
        match child.cause:
            case Cause.TIMEOUT:
                ending, how = Ending.TIMED_OUT, f"it did not answer within {child.task.timeout:g} seconds"
            case Cause.CANCEL:
                ending, how = Ending.KILLED, "it was cancelled"
            case Cause.STOP:
                ending, how = Ending.LOST, "the gateway stopped before it answered"
            case None if child.signal is not None:
                ending, how = Ending.KILLED, f"its program ended before it answered: {_how(child)}"
            case None if child.exit_code:
                ending, how = Ending.EXITED, f"its program ended before it answered: {_how(child)}"
            case None:
                ending, how = Ending.DECLINED, f"its program ended before it answered: {_how(child)}"
            case _:
                ending, how = Ending.DECLINED, child.doomed or "its program was ended"
        self._tell(ending, "; ".join([how, *more]), child)

    def _tell(self, ending: Ending, words: str | None = None, child: StreamChild | None = None) -> None:
        """End the attempt that is out."""
        out, self._out = self._out, None
        if out is None:
            return
        if self._child is not None:
            self._stderr = _last(self._stderr, *self._child.take_stderr(), out.task.output)
        stderr, dropped = self._stderr
        self._stderr = (b"", 0)
        outcome = Outcome(
            job=out.start.job,
            ending=ending,
            exit_code=child.exit_code if child else None,
            signal=child.signal if child else None,
            seconds=time.monotonic() - out.since,
            error=words,
            stderr=stderr,
            stderr_dropped=dropped,
            survivors=len(child.survivors) if child else 0,
        )
        self._ended(outcome)


def _event_line(start: Start) -> bytes:
    fields = {**start.fields, "gateway.attempt.id": start.job, "gateway.attempt.number": start.attempt}
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _last(before: tuple[bytes, int], text: bytes, dropped: int, limit: int) -> tuple[bytes, int]:
    whole = before[0] + text
    kept = whole[-limit:] if limit else b""
    return kept, before[1] + dropped + len(whole) - len(kept)


def _how(child: StreamChild) -> str:
    if child.signal is not None:
        return f"it was killed by {signal_name(child.signal)}"
    return f"exit code {child.exit_code}"


def _hint(child: StreamChild, text: str) -> str:
    told = text == "OK" and not child.task.ready
    return "; should its program say OK when it is ready, write `ready: true`" if told else ""


class Streams:
    """All streams by the names of their tasks."""

    def __init__(
        self, processes: Processes, selector: selectors.BaseSelector, ended: Callable[[Outcome], None]
    ) -> None:
        self._processes = processes
        self._selector = selector
        self._ended = ended
        self._streams: dict[str, Stream] = {}

    def free(self, name: str) -> bool:
        """Tell whether a stream could take an event now."""
        stream = self._streams.get(name)
        return stream is None or stream.free(time.monotonic())

    def take(self, start: Start, task: Task) -> None:
        """Let a stream take an event."""
        if (stream := self._streams.get(task.name)) is None:
            stream = self._streams[task.name] = Stream(task.name, self._processes, self._selector, self._ended)
        stream.take(start, task)
        stream.go_on()

    def go_on(self) -> None:
        """Give those their events whose programs had to be waited for."""
        for stream in self._streams.values():
            stream.go_on()

    def next_time(self) -> float:
        """Return the monotonic time at which `go_on` has something to do."""
        return min((stream.wake for stream in self._streams.values()), default=math.inf)

    def cancel(self, job: str) -> bool:
        """End an attempt that is out; False when it is not."""
        return any(stream.cancel(job) for stream in self._streams.values())

    def change(self, tasks: Mapping[str, Task]) -> None:
        """Go on with these tasks."""
        for name, stream in list(self._streams.items()):
            task = tasks.get(name)
            stream.change(task if task is not None and task.stream else None)
            if stream.idle:
                del self._streams[name]

    def stop(self) -> None:
        """Give no more events to any."""
        for stream in self._streams.values():
            stream.stop()
