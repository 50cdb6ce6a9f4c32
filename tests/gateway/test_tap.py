"""The whole gateway: how it starts, how it fails to, and what a reload takes and keeps."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from gateway import list_files, tap
from gateway.loading import load_all
from gateway.log import LogFile
from gateway.notice import Notice
from gateway.notices.life import (
    ConfigurationWarning,
    Ready,
    ReadyInPart,
    Reloaded,
    ReloadedInPart,
    ReloadRefused,
    RuleOff,
    Stopping,
)
from gateway.notices.rules import ListLost
from gateway.tap import CannotStart, Gateway, Options
from parsers.errors import OperatorError
from tests.gateway.told import Told

RULE = "- {{rule: {name}, match: {{message: {{contains: {name}}}}}, do: {{run: [/bin/true]}}}}\n"


class Tell(Told):
    """A teller that remembers."""

    def end_period(self) -> None:
        """Nothing was held back."""


class Runner:
    """A runner that starts nothing; `refuses` is what it says to a reload."""

    def __init__(self) -> None:
        self.reloads = 0
        self.refuses: str | None = None
        self.waiting: Deferred[frozenset[str]] | None = None

    def reload(self) -> Deferred[frozenset[str]]:
        """Load the tasks again, or fail."""
        self.reloads += 1
        if self.waiting is not None:
            return self.waiting
        if self.refuses is None:
            return succeed(frozenset())
        failed: Deferred[frozenset[str]] = Deferred()
        failed.errback(OperatorError(self.refuses))
        return failed


class House:
    """A gateway in memory, with its configuration in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config = folder / "gateway.yaml"
        self.rules = folder / "rules.yaml"
        self.rules.write_text(RULE.format(name="knock"))
        self.configure()
        self.loading: list[Callable[[], None]] = []
        self.log = io.StringIO()
        monkeypatch.setattr(tap, "deferToThreadPool", self._later)
        self.gateway = Gateway(_reactor(), load_all(self.config), LogFile(self.log))
        self.told, self.runner = Tell(), Runner()
        inside = cast(Any, self.gateway)
        inside._notify = inside._pipeline._notify = inside._listeners._notify = self.told
        inside.removeService(inside._runner)
        inside._runner = self.runner
        inside._listeners.follow(inside._loaded.config.sources, inside._loaded.config.limits)
        self.told.clear()

    def configure(self, sources: str = "{tcp: {tcp: 1514}}", more: str = "") -> None:
        """Write the configuration."""
        self.config.write_text(f"sources: {sources}\nrules: [rules.yaml]\n{more}")

    def _later(self, _reactor: object, _pool: object, work: Callable[..., object], *args: object) -> Deferred[object]:
        """Stand for the thread: the work is done when `finish` is called."""
        answer: Deferred[object] = Deferred()

        def do() -> None:
            try:
                answer.callback(work(*args))
            except Exception:  # noqa: BLE001 -- it is the thread pool's way
                answer.errback(Failure())

        self.loading.append(do)
        return answer

    def finish(self) -> None:
        """Let the reload that is under way end."""
        self.loading.pop(0)()
        cast(Any, self.gateway)._reactor.advance(0)

    def reload(self) -> list[Notice]:
        """Reload and return what was told."""
        self.told.clear()
        self.gateway.reload()
        self.finish()
        return list(self.told)

    def names(self) -> list[str]:
        """Return the rules by which it runs."""
        return [rule.name for rule in cast(Any, self.gateway)._pipeline._stages.rulebook.rules]


def _reactor() -> Any:
    reactor: Any = MemoryReactorClock()
    reactor.getThreadPool = lambda: None
    return reactor


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A gateway with one rule and one source."""
    return House(tmp_path, monkeypatch)


def test_a_reload_takes_new_rules(house: House) -> None:
    """Rules, tasks and sources are taken, and one line says so."""
    house.rules.write_text(RULE.format(name="knock") + RULE.format(name="more"))
    assert house.reload() == [Reloaded(str(house.config), 2, 1)]
    assert house.names() == ["knock", "more"]
    assert house.runner.reloads == 1


@pytest.mark.parametrize(
    ("rules", "more", "words"),
    [
        ("- {rule: torn, match: {message: {regex: '('}}}\n", "", ["rules.yaml:1:42"]),
        (RULE.format(name="new") + "- {rule: x}\n- {rule: y}\n", "", ["rules.yaml:2:", "rules.yaml:3:"]),
        (RULE.format(name="new"), "sauces: {}\n", ["gateway.yaml:3:1"]),
    ],
)
def test_a_broken_file_keeps_everything(house: House, rules: str, more: str, words: list[str]) -> None:
    """An error in a rule or in the configuration refuses the whole; each has one line, and the runner is not asked."""
    house.rules.write_text(rules)
    house.configure(more=more)
    told = house.reload()
    assert [type(notice) for notice in told] == [ReloadRefused] * len(words)
    assert all(word in str(notice) for word, notice in zip(words, told, strict=True))
    assert house.names() == ["knock"]
    assert house.runner.reloads == 0
    house.rules.write_text(RULE.format(name="mended"))
    house.configure()
    assert house.reload() == [Reloaded(str(house.config), 1, 1)]
    assert house.names() == ["mended"]


def test_a_runner_that_refuses_keeps_everything(house: House) -> None:
    """Rules and tasks agree: what the runner does not load is not run by."""
    house.runner.refuses = "the runner is gone"
    house.rules.write_text(RULE.format(name="new"))
    assert house.reload() == [ReloadRefused("the runner is gone")]
    assert house.names() == ["knock"]


def test_rules_wait_for_the_runner(house: House) -> None:
    """No rule asks for a task before the runner knows it."""
    house.runner.waiting = Deferred()
    house.rules.write_text(RULE.format(name="new"))
    assert house.reload() == []
    assert house.names() == ["knock"]
    house.runner.waiting.callback(frozenset())
    assert house.names() == ["new"]


def test_signals_during_a_reload(house: House) -> None:
    """However many come while one reload is under way, one more follows it, which sees the last state of the files."""
    house.told.clear()
    for _ in range(3):
        house.gateway.reload()
    assert len(house.loading) == 1
    house.finish()
    house.rules.write_text(RULE.format(name="last"))
    house.finish()
    assert house.loading == []
    assert len(house.told.of(Reloaded)) == 2
    assert house.names() == ["last"]


def test_a_bug_while_loading(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even that leaves the old in use and is one line, and the next reload works."""
    with monkeypatch.context() as patch:
        patch.setattr(tap, "_load_again", lambda _: 1 / 0)
        (notice,) = house.reload()
    assert "a bug of the gateway" in str(notice)
    assert house.reload() == [Reloaded(str(house.config), 1, 1)]


def test_what_only_a_start_changes(house: House) -> None:
    """A setting that a reload cannot change is told."""
    house.configure(more="runner: {limit: 3}\n")
    warning, reloaded = house.reload()
    assert isinstance(warning, ConfigurationWarning)
    assert isinstance(reloaded, Reloaded)


def test_flaws_are_told_at_the_start(house: House) -> None:
    """A rule that is off is an error in the log, and the rest starts."""
    house.rules.write_text(RULE.format(name="good") + "- {rule: x}\n")
    cast(Any, house.gateway)._tell_flaws(load_all(house.config))
    assert len(house.told.of(RuleOff)) == 1


def test_a_lost_list_is_told_and_looked_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest starts; as soon as the list's file is there, the rules that use it come on."""
    folder = house.config.parent
    house.rules.write_text(RULE.format(name="good") + "- {rule: lacks, match: {}, unless: x in $a}\n")
    house.configure(more="lists: {a: {file: gone.txt}}\n")
    gateway = Gateway(_reactor(), load_all(house.config), LogFile(house.log))
    inside = cast(Any, gateway)
    inside._notify = inside._pipeline._notify = inside._lists._notify = house.told
    inside._tell_flaws(inside._loaded)
    assert house.told.of(RuleOff) == []
    (lost,) = house.told.of(ListLost)
    problem = f'{house.config}:3:19: "a": {folder}/gone.txt does not exist'
    assert str(lost) == f"the list a cannot be read, and what uses it is off until it can: {problem}"
    assert [rule.name for rule in inside._pipeline._stages.rulebook.rules] == ["good"]
    (folder / "gone.txt").write_text("x\n")
    monkeypatch.setattr(list_files, "deferToThreadPool", lambda _, __, work, *args: succeed(work(*args)))
    inside._runner = house.runner
    inside._listeners.follow = lambda *_: None
    for _ in range(2):
        inside._lists.look()
    house.finish()
    assert [rule.name for rule in inside._pipeline._stages.rulebook.rules] == ["good", "lacks"]


def test_no_port_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway without any source ends, in one line that both twistd and the interpreter understand."""
    house = House(tmp_path, monkeypatch)
    inside = cast(Any, house.gateway)
    inside._listeners._open.clear()

    def refuse(*_: object, **__: object) -> None:
        raise CannotListenError("127.0.0.1", 1514, OSError(98, "in use"))

    inside._reactor.listenTCP = refuse
    with pytest.raises(CannotStart) as caught:
        house.gateway.privilegedStartService()
    assert isinstance(caught.value, Exception)
    assert isinstance(caught.value, SystemExit)
    assert str(caught.value) == "no source could be opened, so that nothing could ever arrive"


def test_sources_that_are_missing_are_named(house: House) -> None:
    """`ready` and `reloaded` do not look like success when a source could not be opened."""
    inside = cast(Any, house.gateway)

    def refuse(*_: object, **__: object) -> None:
        raise CannotListenError("127.0.0.1", 1515, OSError(98, "in use"))

    inside._reactor.listenUDP = refuse
    house.configure("{tcp: {tcp: 1514}, b: {udp: 1515}, a: {udp: 1516}}")
    assert house.reload()[-1] == ReloadedInPart(str(house.config), 1, 1, "a, b")
    house.told.clear()
    inside._tell_ready()
    assert house.told == [ReadyInPart(1, 1, "a, b")]
    assert house.told.lines() == ["ready: 1 rule, 1 source; NOT listening: a, b"]
    assert ReadyInPart.level == "warn"


def test_the_configuration_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path does not depend on a working directory that twistd may change."""
    monkeypatch.chdir(tmp_path)
    options = Options()
    assert options["config"] == tmp_path / "gateway.yaml"
    options.parseOptions(["--config", "other.yaml"])  # type: ignore[no-untyped-call]
    assert options["config"] == tmp_path / "other.yaml"
    with pytest.raises(UsageError):
        options.parseOptions(["surplus"])  # type: ignore[no-untyped-call]


# With twistd itself: what it makes of our exceptions, and of a working directory, is its own.

TWISTD = [sys.executable, str(Path(sys.executable).with_name("twistd"))]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(tap.__file__).parents[1])}


def twistd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run twistd to its end, or for 30 seconds."""
    return subprocess.run(
        [*TWISTD, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else has."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "gateway.yaml does not exist"),
        ("sources: {a: [\n", "gateway.yaml:2:1: this is no YAML"),
        (
            "sources: {tls: {tls: 0, certificate: no.pem, client_ca: no.pem}}\n",
            "no.pem does not exist; `gateway init DIR` makes",
        ),
        ("sources: {tcp: {tcp: 0}}\nstate: /proc/none\n", "the state folder /proc/none cannot be made"),
    ],
)
def test_a_start_that_fails(tmp_path: Path, text: str | None, words: str) -> None:
    """Twistd says what is wrong on standard error and ends with a status, without a traceback."""
    if text is not None:
        (tmp_path / "gateway.yaml").write_text(text)
    ended = twistd(tmp_path, "-n", "--pidfile=", "gateway")
    assert ended.returncode == 1
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("options", [["-n", "--pidfile="], ["--pidfile=pid", "--logfile=log"]])
def test_a_start_without_a_port(tmp_path: Path, taken: int, options: list[str]) -> None:
    """In the foreground and as a daemon: each port has its line, the end another, and no pid file is left."""
    (tmp_path / "gateway.yaml").write_text(f"sources: {{a: {{tcp: {taken}}}}}\n")
    ended = twistd(tmp_path, *options, "gateway")
    assert ended.returncode == 1
    log = tmp_path / "log"
    said = ended.stdout + ended.stderr + (log.read_text() if log.exists() else "")
    assert f"a: cannot listen on 127.0.0.1:{taken}: another program has this port already" in said
    assert "no source could be opened" in said
    assert "Traceback" not in said
    deadline = time.monotonic() + 10
    while (tmp_path / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.02)  # twistd lets the terminal go before it removes the file
    assert not (tmp_path / "pid").exists()


def test_a_daemon_needs_a_log(tmp_path: Path) -> None:
    """One that would log to nowhere, or to what it may itself read, is refused in one line."""
    (tmp_path / "gateway.yaml").write_text("sources: {tcp: {tcp: 0}}\n")
    for option, words in [
        ("--logfile=-", "use --logfile FILE"),
        ("--logfile=/proc/none/log", "cannot be written"),
        ("--syslog", "may feed itself"),
    ]:
        ended = twistd(tmp_path, "--pidfile=", option, "gateway")
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
        assert words in ended.stderr


def wait_for(file: Path, words: str) -> str:
    """Wait until a file says something."""
    end = time.monotonic() + 20
    while not file.exists() or words not in file.read_text():
        assert time.monotonic() < end, f"{file} never said {words}"
        time.sleep(0.02)
    return file.read_text()


def test_a_daemon(tmp_path: Path) -> None:
    """Names relative to where it was started mean the same from another working directory; HUP opens its log again."""
    (tmp_path / "etc" / "rules").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "etc" / "rules" / "a.yaml").write_text(RULE.format(name="knock"))
    (tmp_path / "etc" / "gateway.yaml").write_text(
        "sources: {tcp: {tcp: 0}, local: {unix: state/log}}\nrules: [rules/*.yaml]\nlibrary: []\n"
    )
    log, pid = tmp_path / "twistd.log", tmp_path / "pid"
    ended = twistd(tmp_path, "--pidfile=pid", "--rundir=elsewhere", "gateway", "--config", "etc/gateway.yaml")
    assert (ended.returncode, ended.stderr) == (0, "")
    daemon = int(pid.read_text())
    try:
        wait_for(log, "has 1 task\n")
        assert (tmp_path / "etc" / "state" / "log").is_socket()
        (tmp_path / "etc" / "rules" / "b.yaml").write_text(RULE.format(name="more"))
        log.rename(tmp_path / "old.log")
        os.kill(daemon, signal.SIGHUP)
        wait_for(log, "reloaded")
        assert "the runner has 2 tasks" in log.read_text()
    finally:
        os.kill(daemon, signal.SIGTERM)
    end = time.monotonic() + 20
    while pid.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not pid.exists()
    text = (tmp_path / "old.log").read_text() + log.read_text()
    for kind in (Ready(1, 2), Reloaded(str(tmp_path / "etc" / "gateway.yaml"), 2, 2), Stopping(tap.DRAIN)):
        assert str(kind) in text
    assert "Traceback" not in text
    assert not (tmp_path / "etc" / "state" / "log").exists()
    assert "Port" not in text
