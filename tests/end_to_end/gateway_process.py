"""A real gateway for tests: `twistd -n gateway` with a configuration of its own, on ports that the kernel chose."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.end_to_end.certificates import Authority
from tests.end_to_end.programs import PATIENCE, Program, wait_until

RECORD = Path(__file__).with_name("record.py")
TOTALS = re.compile(r"(?P<source>[\w-]+): (?P<messages>\d+) messages? in \d+ octets? since the start")
RUNNER_READY = "the runner is process"
INSPECTED = "journal: read "
LISTENING = re.compile(r"(?P<source>[\w-]+): listening on (?P<address>\S+)")

Source = Mapping[str, object]
Rule = Mapping[str, object]

RULE_OF_FIVE: Rule = {
    "rule": "ssh-bruteforce",
    "match": {"event.action": "ssh-login", "event.outcome": "failure"},
    "when": {"count": 5, "within": "10m", "by": ["source.ip"]},
}
"""Five failed logins from one address; `GatewayProcess` makes it record what it was run with."""

LOOPBACK = ["127.0.0.0/8", "::1"]


@dataclass(frozen=True)
class Run:
    """One run of a rule's process: its own arguments, the event on its standard input, its environment."""

    arguments: list[str]
    event: dict[str, Any]
    environment: dict[str, str]


def plain_sources() -> dict[str, Source]:
    """Return a TCP and a UDP listener that trust loopback."""
    return {
        "tcp": {"tcp": "127.0.0.1:0", "trusted": LOOPBACK},
        "udp": {"udp": "127.0.0.1:0", "trusted": LOOPBACK},
    }


def tls_source(authority: Authority, **more: object) -> Source:
    """Return a TLS listener that takes every client of the authority; `more` are further keys."""
    server = authority.issue("localhost", "127.0.0.1")
    return {
        "tls": "127.0.0.1:0",
        "certificate": str(server.certificate),
        "key": str(server.key),
        "client_ca": str(authority.certificate),
        **more,
    }


class GatewayProcess(Program):
    """A gateway that runs in `folder`, which holds its configuration, rules, state and log.

    Args:
        folder: an empty folder.
        sources: what `sources:` holds, on port 0.
        rules: what rules/test.yaml holds.
        settings: other keys of the configuration.
    """

    def __init__(
        self, folder: Path, sources: Mapping[str, Source], rules: Sequence[Rule] = (), **settings: object
    ) -> None:
        """Write the configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        self._records = folder / "records.jsonl"
        self.configuration = folder / "gateway.yaml"
        self.rules = folder / "rules" / "test.yaml"
        self.rules.parent.mkdir()
        self._settings = {"state": "state", "rules": ["rules/*.yaml"], **settings}
        self.sources = sources
        self.write_configuration()
        self.write_rules(rules)
        twistd = Path(sys.executable).with_name("twistd")
        # The runner starts what is relative to "/", and Python must find this checkout even without an installation.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, [str(RECORD.parents[2]), os.getenv("PYTHONPATH")]))}
        super().__init__(
            [sys.executable, str(twistd), "-n", "--pidfile=", "gateway", "--config", str(self.configuration)],
            folder,
            environment=environment,
            name="gateway",
        )

    def write_configuration(self, **changes: object) -> None:
        """Write gateway.yaml anew, with some keys changed; JSON is YAML too."""
        self.configuration.write_text(json.dumps({**self._settings, "sources": self.sources, **changes}, indent=1))

    def write_rules(self, rules: Sequence[Rule]) -> None:
        """Write the rules; one without `do` gets one that records the run for `runs`, `do: None` stands for none."""
        complete = ({"do": self.recorder(), **rule} for rule in rules)
        kept = ({key: value for key, value in rule.items() if value is not None} for rule in complete)
        self.rules.write_text("".join(f"- {json.dumps(rule)}\n" for rule in kept) or "[]\n")

    def recorder(self, *arguments: str) -> dict[str, object]:
        """Return a `do` step that records its arguments (`${source.ip}`, say), standard input and environment."""
        return {"run": [sys.executable, "-I", "-S", str(RECORD), str(self._records), *arguments]}

    def runs(self) -> list[Run]:
        """Return what was recorded so far, in order; a line that is being written is left out."""
        if not self._records.exists():
            return []
        lines = self._records.read_bytes().decode("utf-8", "replace").split("\n")[:-1]
        return [Run(**json.loads(line)) for line in lines]

    def wait_for_runs(self, number: int) -> list[Run]:
        """Wait until so many runs are recorded and return them."""
        self.wait_until(lambda: len(self.runs()) >= number, f"{number} runs of a process")
        return self.runs()

    def wait_until_listening(self, seconds: float = PATIENCE) -> None:
        """Wait until every source listens."""
        self.wait_until(lambda: set(self._addresses()) >= set(self.sources), "every source to listen", seconds=seconds)

    def wait_until_ready(self) -> None:
        """Wait until every source listens, and the runner has its own copy of the rules' tasks."""
        self.wait_until_listening()
        self.wait_for(RUNNER_READY)

    def wait_until_settled(self) -> None:
        """Wait until it is ready, and the process that reads the whole journal after a start has ended."""
        self.wait_until_ready()
        self.wait_for(INSPECTED)

    def __enter__(self) -> Self:
        """Start it and wait until it is ready."""
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def _addresses(self) -> dict[str, str]:
        return {match["source"]: match["address"] for match in LISTENING.finditer(self.text())}

    def port(self, source: str) -> int:
        """Return the port that a source got."""
        return int(self._addresses()[source].rsplit(":", 1)[1])

    def reload(self, words: str = "reloaded") -> str:
        """Send HUP, wait until the log says `words`, and return what the log said since."""
        before = len(self.text())
        self.send_signal(signal.SIGHUP)
        wait_until(lambda: words in self.text()[before:], f"the log to say {words!r}", detail=self.report)
        return self.text()[before:]

    def totals(self) -> dict[str, int]:
        """Return how many messages each source took in, as the log says once the gateway was stopped."""
        return {match["source"]: int(match["messages"]) for match in TOTALS.finditer(self.text())}
