"""The control connection's way of talking: commands in the order they came, one reply each, time and patience limited.

Of Twisted's FTP this keeps the table of replies, the commands that need nothing (SYST, MODE, STRU) and the errors of
commands. Its line receiver copies what is left of a read for each line, its dispatch looks names of a client's up among
its methods, and it does not read while a command runs; so these are our own.
"""

from __future__ import annotations

from collections import deque
from typing import Any, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.protocols.ftp import FTP, RESPONSE, FTPCmdError
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.addresses import plain_address
from gateway.drop.visit import Refused, Way
from gateway.notice import host_port
from gateway.notices.ftp import CommandBroke, TalksOtherwise, TooManyBadCommands
from gateway.notices.sources import PeerTrouble
from gateway.sources.ftp.commands import Argument, Command, When, parse
from gateway.sources.ftp.context import FtpContext
from gateway.sources.ftp.lines import CommandLines, without_telnet
from gateway.sources.ftp.paths import as_way, without_options
from gateway.sources.ftp.replies import BAD, Declined, Reply, declined, printable
from gateway.tls_context import HANDSHAKE_RECORD
from gateway.tls_words import HTTP_VERBS

MAX_WAITING = 64
"""Commands that wait for the one before them; others wait as octets. It is also how many are obeyed in one turn of the
reactor, and how many may interrupt one command; more of these wait like any others."""

MAX_AHEAD = 16 * 1024
"""Octets that wait behind these commands; with more, the connection is not read. Below, its end is seen at once, which
ends the transfer that runs."""

MAX_TAKEN = 1024
"""Lines that are taken in one turn of the reactor: empty ones are no commands, but cost time too."""

MAX_BAD = 20
"""Commands one after the other that are none, after which the connection is closed."""

LOGIN_PATIENCE = 6
"""How many times the time for a handshake a client may take to log in: a handshake, names, and delays for mistakes."""

LAST_WORDS = 5.0
"""Seconds that a client has to take our last reply."""

GREETING = "Drop box ready"


@implementer(IPushProducer)
class Conversation(FTP):
    """Hears commands, has them obeyed, and answers.

    Attributes:
        peer: the client's address; an IPv4 one that came in over IPv6 as IPv4.
        inside: the client has logged in.
        folder: where the client is (RFC 959 CWD).
    """

    _encoding = "utf-8"

    def __init__(self, context: FtpContext) -> None:
        self.context = context
        self.peer = ""
        self.inside = False
        self.folder: Way = ()
        self._port = 0
        self._lines = CommandLines()
        self._waiting: deque[bytes | Declined] = deque()
        self._running: Command | None = None
        self._interruptions = 0  # of the command that runs
        self._more = False  # there may be whole lines among what was not taken yet
        self._turning = False  # commands are being taken out of the queue, further up this stack
        self._later: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None
        self._heard = False
        self._bad = 0
        self._reads = True
        self._chokes = False  # the client does not read our replies
        self._ending: str | None = None  # the last words, once nothing runs
        self._ended = False

    # The connection.

    def connectionMade(self) -> None:
        """Greet; the time to log in begins."""
        address = self._lower().getPeer()
        self.peer, self._port = plain_address(getattr(address, "host", "")), getattr(address, "port", 0)
        self.wait_for(self.context.handshake_timeout * LOGIN_PATIENCE)
        cast(IConsumer, self.transport).registerProducer(self, True)
        self.say(Reply(220, GREETING))

    def dataReceived(self, data: bytes) -> None:
        """Take what one read delivered."""
        if self._ended or self._ending is not None:
            return
        if not self._heard and data:
            self._heard = True
            if data[0] == HANDSHAKE_RECORD:
                self.tell(TalksOtherwise, "speaks TLS from the beginning; here it begins with AUTH TLS (explicit TLS)")
                self._lower().abortConnection()
                return
            if data.startswith(HTTP_VERBS):
                self.tell(TalksOtherwise, "speaks HTTP to an FTP port; closed")
                self._lower().abortConnection()
                return
        self._lines.feed(data)
        self._listen()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002 -- Twisted's signature
        """Forget what was not obeyed."""
        self._ended = True
        self._waiting.clear()
        self._lines.clear()
        self.wait_for(None)
        if self._later is not None and self._later.active():
            self._later.cancel()
        self.transport = None

    def hang_up(self) -> None:
        """Obey no more commands; say goodbye when the one that runs is answered."""
        self.end("421 The gateway is stopping, try again later")

    def end(self, words: str) -> None:
        """Close the connection with these last words, once nothing runs."""
        if self._ending is None:
            self._ending = words
            self._waiting.clear()
            self._lines.clear()
        if self._running is None:
            self._close()

    def _close(self) -> None:
        if self._ended:
            return
        if self._ending:
            self.sendLine(self._ending)
        self._ended = True
        self.wait_for(LAST_WORDS)
        if self.transport is not None:
            cast(IConsumer, self.transport).unregisterProducer()  # it would be waited for
            self.transport.loseConnection()

    def wait_for(self, seconds: float | None) -> None:
        """Let the client take so long from now on; None: for ever."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if seconds is None else self.context.reactor.callLater(seconds, self._out_of_time)

    def _out_of_time(self) -> None:
        """Close a connection that is silent, or that does not come to its login."""
        if self.transport is None:  # a handshake is under way, and has its own limit
            self.wait_for(self.context.handshake_timeout)
        elif self._ended:
            self._lower().abortConnection()
        elif self._running is not None:
            self.wait_for(self.context.idle if self.inside else self.context.handshake_timeout)
        elif self.inside:
            self.end(f"421 Nothing came for {self.context.idle:g} s")
        else:
            self.end("421 No login in time")

    # Commands in.

    def _listen(self) -> None:
        """Take lines out of what came, as many as may wait; then obey them."""
        self._more = True
        for _ in range(MAX_TAKEN):
            if len(self._waiting) >= MAX_WAITING:
                break
            try:
                line = self._lines.take()
            except ValueError as error:
                self._waiting.append(Declined(500, str(error)))
                continue
            if line is None:
                self._more = False
                break
            line = without_telnet(line)
            if line and not (self._running and self._interrupted(line)):
                self._waiting.append(line)
        else:
            self._again()
        self._pace()
        self._obey_waiting()

    def _interrupted(self, line: bytes) -> bool:
        """Obey at once what is meant for the transfer that runs (RFC 959 section 4.1.3)."""
        try:
            command, argument = parse(line)
        except Declined:
            return False
        if not command.interrupts or argument.strip(b" ") or self._interruptions >= MAX_WAITING:
            return False
        self._interruptions += 1
        self.interrupt(command)
        return True

    def interrupt(self, command: Command) -> None:
        """Obey a command during another one."""
        raise NotImplementedError

    def _obey_waiting(self) -> None:
        if self._turning:
            return
        self._turning = True
        obeyed = 0
        while self._waiting and not (self._running or self._chokes or self._ended or self._ending is not None):
            if obeyed == MAX_WAITING:
                self._again()
                break
            obeyed += 1
            self._obey(self._waiting.popleft())
        self._turning = False
        if self._more and len(self._waiting) < MAX_WAITING and not self._running:
            self._again()
        self._pace()

    def _again(self) -> None:
        """Go on in the next turn of the reactor: one client's commands must not keep all others waiting."""
        if self._later is None or not self._later.active():
            self._later = self.context.reactor.callLater(0, self._listen)

    def _obey(self, line: bytes | Declined) -> None:
        if self.inside:
            self.wait_for(self.context.idle)
        try:
            if isinstance(line, Declined):
                raise line
            command, argument = parse(line)
            self._permit(command)
            given = self._argument(command, argument)
        except Declined as problem:
            self._decline(problem)
            return
        self._running = command
        done: Deferred[Any] = maybeDeferred(getattr(self, f"ftp_{command.name}"), *given)  # a name of the closed table
        done.addCallbacks(self._answer, self._fail)
        done.addErrback(self._broke)
        done.addBoth(self._done)

    def _permit(self, command: Command) -> None:
        if command.when is When.INSIDE and not self.inside:
            raise Declined(530, "log in first, with USER and PASS")
        if command.when is When.BEFORE and self.inside:
            raise Declined(503, f"{command.name} comes before the login; open another connection")

    def _argument(self, command: Command, argument: bytes) -> tuple[Any, ...]:
        match command.argument:
            case Argument.NONE:
                return ()
            case Argument.OCTETS:
                return (argument,)
            case Argument.PATH:
                return (as_way(self.folder, argument),)
            case Argument.FOLDER:
                return (as_way(self.folder, without_options(argument)),)
        try:
            return (argument.decode().strip(" "),)
        except UnicodeDecodeError:
            raise Declined(501, "this is no UTF-8") from None

    # Replies out.

    def say(self, reply: Reply) -> None:
        """Send a reply."""
        if self.transport is not None and not self._ended:
            self.transport.write(b"".join(_octets(line) for line in reply.lines()))

    def sendLine(self, line: str) -> None:  # noqa: N802 -- Twisted's name
        """Send one of Twisted's own replies."""
        if self.transport is not None and not self._ended:
            self.transport.write(_octets(line))

    def _answer(self, answer: Reply | str | tuple[str, ...] | None) -> None:
        if answer is not None:
            self._bad = 0
        if isinstance(answer, Reply):
            self.say(answer)
        elif answer is not None:
            key, *more = (answer,) if isinstance(answer, str) else answer
            self.sendLine(str(RESPONSE[key]) % tuple(more))

    def _fail(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, FTPCmdError):
            code, _, words = str(error.response()).partition(" ")
            error = Declined(int(code), words)
        elif isinstance(error, Refused):
            error = declined(error)
        if not isinstance(error, Declined):
            failure.raiseException()
        self._decline(error)

    def _decline(self, problem: Declined) -> None:
        self.say(Reply(problem.code, str(problem)))
        self._bad = self._bad + 1 if problem.code in BAD else 0
        if self._bad == MAX_BAD:
            self.tell(TooManyBadCommands, f"{MAX_BAD} commands one after the other are none; closed")
            self.end("421 Too many commands that are none")

    def _broke(self, failure: Failure) -> None:
        """Say 451, and to the log where it broke."""
        frames = failure.getTracebackObject()
        while frames is not None and frames.tb_next is not None:
            frames = frames.tb_next
        where = f" at {frames.tb_frame.f_code.co_filename}:{frames.tb_lineno}" if frames is not None else ""
        name = self._running.name if self._running else "-"
        self.tell(CommandBroke, f"{name} failed: {failure.value!r}{where}")
        self.say(Reply(451, "this is our own fault; the log says more"))

    def _done(self, _: object) -> None:
        self._running = None
        self._interruptions = 0
        self.finished()
        if self.inside and not self._ended:
            self.wait_for(self.context.idle)
        if self._ending is not None:
            self._close()
        elif not self._turning and not self._ended:
            self._listen()

    def finished(self) -> None:
        """A command is answered."""

    def tell(self, notice: type[PeerTrouble], problem: str) -> None:
        """Tell something about this client."""
        self.context.notify(notice(self.context.source.name, host_port(self.peer, self._port), problem))

    # The transport, in both directions.

    def pauseProducing(self) -> None:
        """Obey nothing more: the client does not read our replies."""
        self._chokes = True
        self._pace()

    def resumeProducing(self) -> None:
        """Go on."""
        self._chokes = False
        if not self._ended:
            self._again()

    def stopProducing(self) -> None:
        """Nothing is left to do: the connection is lost."""

    def _pace(self) -> None:
        """Read no more than can wait."""
        reads = not self._chokes and len(self._lines) < MAX_AHEAD
        if reads is self._reads or self._ended or self.transport is None:
            return
        self._reads = reads
        if reads:
            cast(IPushProducer, self.transport).resumeProducing()
        else:
            cast(IPushProducer, self.transport).pauseProducing()

    def unregister(self) -> None:
        """Let go of the transport, which gets TLS put on it."""
        self._chokes = False
        cast(IConsumer, self.transport).unregisterProducer()

    def forget_plain_text(self) -> int:
        """Throw away what came before TLS began (CVE-2011-0411); returns how many octets and lines that were."""
        count = self._lines.clear() + len(self._waiting)
        self._waiting.clear()
        self._pace()
        return count

    def _lower(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)


def _octets(line: str) -> bytes:
    return printable(line).encode("utf-8", "replace") + b"\r\n"
