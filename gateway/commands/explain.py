"""`gateway explain LINE`: shows each stage's answer to one message, and why a rule does not want it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.check import DEFAULT, INSTALLED, USUAL, configuration, usual_configuration
from gateway.commands.parse import NONE, as_epoch, as_zone
from gateway.commands.terminal import many
from parsers.errors import OperatorError
from parsers.framing.syslog_stream import Framing
from parsers.message import Frames, Message, Origin, Trust, one_frame

if TYPE_CHECKING:
    from gateway.loading import Loaded
    from parsers.envelopes.envelope import Envelope
    from parsers.event import Event
    from parsers.nearest import Near
    from rules.condition import Network
    from rules.explain import Command, Explanation
    from rules.rule import Rule

HELP = "show each stage's answer to one message, and why a rule does not want it"

NEAREST = 5
"""Rules that do not want the message and are shown all the same, as long as nobody asks for all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "line",
        metavar="LINE",
        help="the message; - reads messages from standard input; without --source, a JSON object whose event.dataset "
        "is drop, files, emit or gateway is such an event of the gateway's own",
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help=DEFAULT)
    parser.add_argument("--source", metavar="NAME", help="as if it came through this source of the configuration")
    parser.add_argument(
        "--framing",
        choices=[*(framing.value for framing in Framing), NONE],
        help="how the text is divided into messages (default: LINE is one message, standard input has one a line)",
    )
    parser.add_argument("--trust", choices=[trust.name.lower() for trust in Trust], help="how the sender is known")
    parser.add_argument("--from", dest="address", metavar="ADDRESS", type=_address, help="the sender's IP address")
    parser.add_argument(
        "--now", type=as_epoch, metavar="EPOCH", help="time of receipt in seconds since 1970 (default: now)"
    )
    parser.add_argument(
        "--zone", type=as_zone, metavar="NAME", help="zone of time stamps that carry none (default: the source's)"
    )
    parser.add_argument("--rule", metavar="NAME", help="explain this rule and no other")
    parser.add_argument("--all", action="store_true", help=f"all rules that do not match, not the {NEAREST} nearest")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each message")


def _address(text: str) -> str:
    from ipaddress import ip_address

    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address") from None


def run(args: argparse.Namespace) -> int:
    """Explain; 0 when there was a message to explain."""
    from gateway import clock

    loaded, notes = _load(args.config)
    if args.rule:
        loaded = replace(loaded, rules=_only(loaded, args.rule))
    origin = _origin(args, loaded)
    now = clock.now() if args.now is None else args.now
    frames, notes_of_frames = _frames(args)
    for note in (*notes, *notes_of_frames):
        print(f"gateway explain: {note}", file=sys.stderr)
    most = None if args.all or args.rule else NEAREST
    shown = 0
    explainer = _Explainer(loaded)
    for start, stop in frames:
        message = Message(frames.data[start:stop], origin, now, start in frames.truncated)
        own = _own(args, message) if args.source is None else None
        told = explainer.explain(message) if own is None else explainer.explain_own(own)
        if args.json:
            print(json.dumps(told.to_dict(most), ensure_ascii=False))
        else:
            from gateway.commands.explained import show

            if shown:
                print()
            show(told, most)
        shown += 1
    if not shown:
        print("gateway explain: there is no message in this text", file=sys.stderr)
    return 0 if shown else 1


def _load(file: Path | None) -> tuple[Loaded, list[str]]:
    """Return the configuration, or the library and the built-in grammars where there is none, and what to say."""
    from gateway.config import Config, library_names, read_rules
    from gateway.loading import Loaded, load_all
    from parsers.parse import Parser, builtin_grammars
    from rules.load import merge

    file = file or usual_configuration()
    if file is not None:
        loaded = load_all(configuration(file))
        off = len(loaded.errors)
        return loaded, [f"{many(off, 'fault')} in the rules: what is wrong is off; see `gateway check`"] if off else []
    config = Config(USUAL, Path(), Path("state"), (), library_names())
    rules, _ = merge(read_rules(config))
    nowhere = f"there is no {USUAL} here, no {INSTALLED} and no --config"
    note = f"{nowhere}: the rules are those of the library, at their defaults"
    return Loaded(config, Parser(builtin_grammars()), rules, (), ()), [note]


def _only(loaded: Loaded, name: str) -> tuple[Rule, ...]:
    from rules.schema import did_you_mean

    found = tuple(rule for rule in loaded.rules if rule.name == name)
    if not found:
        names = [rule.name for rule in loaded.rules]
        raise OperatorError(f"gateway explain: --rule: there is no rule {name}{did_you_mean(name, names)}")
    return found


def _origin(args: argparse.Namespace, loaded: Loaded) -> Origin:
    """Return who is taken for the sender."""
    from gateway.drop_source_config import FtpSource, SftpSource
    from gateway.file_source_config import FilesSource
    from gateway.source_config import TcpSource, TlsSource, UdpSource, UnixSource
    from gateway.zone import local_zone
    from rules.schema import did_you_mean

    zone, trust, trusted = args.zone, None, False
    if args.source is not None:
        sources = {source.name: source for source in loaded.config.sources}
        source = sources.get(args.source)
        if source is None:
            advice = did_you_mean(args.source, sources) or f"; there are {', '.join(sources) or 'none'}"
            raise OperatorError(f"gateway explain: --source: there is no source {args.source}{advice}")
        zone = zone or source.zone
        known = {
            TcpSource: Trust.NETWORK,
            TlsSource: Trust.CERTIFICATE,
            UdpSource: Trust.DATAGRAM,
            FtpSource: Trust.ACCOUNT,
            SftpSource: Trust.ACCOUNT,
        }
        trust = known.get(type(source), Trust.LOCAL)
        networks = () if isinstance(source, UnixSource | FilesSource) else source.trusted
        trusted = args.address is not None and _within(args.address, networks)
    if args.trust is not None:
        trust = Trust[args.trust.upper()]
    if trust is None:
        trust = Trust.LOCAL
    return Origin(args.source or "explain", trust, args.address, trusted=trusted, zone=zone or local_zone())


def _own(args: argparse.Namespace, message: Message) -> Message | None:
    """Return the event of our own that a text is as JSON; None where it is none."""
    from rules.own_events import DROP, OWN, own_message

    if not message.frame.lstrip().startswith(b"{"):
        return None
    try:
        fields = json.loads(message.frame)
    except ValueError:
        return None
    dataset = fields.get("event.dataset")
    if not isinstance(dataset, str) or dataset not in OWN:
        return None
    known = args.trust or fields.get("gateway.trust")
    usual = Trust.ACCOUNT if dataset == DROP else Trust.LOCAL
    trust = next((trust for trust in Trust if trust.name.lower() == known), usual)
    trusted = fields.get("gateway.trusted") is True
    return own_message(fields, message.received, dataset, Origin(dataset, trust, args.address, trusted=trusted))


def _within(address: str, networks: Sequence[Network]) -> bool:
    from rules.condition import InNetworks
    from rules.match import value_test

    return value_test(InNetworks("", tuple(networks)))(address)


def _frames(args: argparse.Namespace) -> tuple[Frames, list[str]]:
    """Divide the text as a listener would; return the frames and what to say about them."""
    from parsers.framing.syslog_stream import framer

    text = sys.stdin.buffer.read() if args.line == "-" else os.fsencode(args.line)
    framing = args.framing or (Framing.LINES.value if args.line == "-" else NONE)
    if framing == NONE:
        return one_frame(text), []
    dividing = framer(Framing(framing))
    fed, ended = dividing.feed(text), None
    if fed.error is None:
        ended = dividing.end()
    errors = [frames.error for frames in (fed, ended) if frames is not None and frames.error is not None]
    return _joined([fed, *([ended] if ended else [])]), errors


def _joined(several: Sequence[Frames]) -> Frames:
    texts = [(frames.data[start:stop], start in frames.truncated) for frames in several for start, stop in frames]
    data, starts, stops, cut = bytearray(), [], [], set()
    for text, truncated in texts:
        if truncated:
            cut.add(len(data))
        starts.append(len(data))
        data += text
        stops.append(len(data))
        data += b"\n"
    return Frames(bytes(data), tuple(starts), tuple(stops), frozenset(cut))


@dataclass(frozen=True, slots=True)
class Told:
    """What every stage said about one message.

    Attributes:
        envelope: None for an event of our own, which has no form to be parsed.
        serving: the grammars that are tried for its program, those for any program left out.
        near: the form that came nearest, when none of those matched.
        candidates: the names of the rules for which the sieve lets it through, or which see an event of our own.
        explanations: one for each rule; of an event of our own, for each that sees it.
        rules: how many rules there are.
    """

    message: Message
    envelope: Envelope | None
    event: Event
    serving: tuple[str, ...]
    near: Near | None
    candidates: tuple[str, ...]
    explanations: tuple[Explanation, ...]
    rules: int
    least_trust: Trust

    def to_dict(self, most: int | None) -> dict[str, object]:
        """Return it ready for JSON, with at most so many of the rules that do not want the message."""
        from rules.explain import nearest

        def rule_of(one: Explanation) -> dict[str, object]:
            return {
                "rule": one.rule.name,
                "place": str(one.rule.place),
                "wanted": one.wanted,
                "missing": one.missing,
                "match": one.match.to_dict(),
                "unless": one.unless.to_dict() if one.unless else None,
                "key": list(one.key) if one.key is not None else None,
                "without": list(one.without),
                "trusted": one.trusted,
                "commands": [command_of(command) for command in one.commands],
                "undo": [command_of(command) for command in one.undoing],
                "closes": {
                    "wanted": one.closes.wanted,
                    "key": list(one.closes.key) if one.closes.key is not None else None,
                    "match": one.closes.match.to_dict(),
                }
                if one.closes
                else None,
            }

        def command_of(command: Command) -> dict[str, object]:
            return {
                "task": command.task,
                "kind": command.kind,
                "argv": list(command.argv),
                "words": command.words,
                "problem": command.problem,
            }

        return {
            "frame": {"octets": len(self.message.frame), "truncated": self.message.truncated},
            "envelope": self.envelope.protocol if self.envelope else None,
            "grammar": self.event.fields.get("event.module"),
            "form": self.event.form,
            "nearest_form": self.near._asdict() if self.near else None,
            "event": self.event.to_dict(),
            "candidate_for": list(self.candidates),
            "rules": [rule_of(one) for one in (*self.concerned(), *nearest(self.explanations, most))],
        }

    def concerned(self) -> list[Explanation]:
        """Return the rules that want the message, or close a state at it."""
        return [one for one in self.explanations if one.concerned]


class _Explainer:
    """Asks all stages about messages."""

    def __init__(self, loaded: Loaded) -> None:
        from gateway.loading import make_stages

        self._loaded = loaded
        self._stages = make_stages(loaded, owner=False)

    def explain(self, message: Message) -> Told:
        """Return what they say about one."""
        from parsers.envelopes.envelope import parse_envelope
        from parsers.message import Batch
        from parsers.nearest import nearest_form
        from rules.explain import explain_rule

        parser, rules = self._stages.parser, self._stages.rulebook.rules
        least_trust = self._loaded.config.defaults.trust
        envelope = parse_envelope(message.frame, message.received, message.origin.zone)
        event = parser.parse(message)
        serving = [one.grammar for one in parser.serving(envelope.appname) if one.grammar.programs]
        near = nearest_form(serving, envelope.message) if event.form is None else None
        batch = Batch(one_frame(message.frame), message.origin, message.received)
        wanted = [index for _, rules_of in self._stages.sieve.candidates(batch) for index in rules_of]
        return Told(
            message,
            envelope,
            event,
            tuple(grammar.name for grammar in serving),
            near,
            tuple(rules[index].name for index in wanted),
            tuple(explain_rule(rule, event, least_trust) for rule in rules),
            len(rules),
            least_trust,
        )

    def explain_own(self, message: Message) -> Told:
        """Return what the rules say about an event of our own, which no sieve and no grammar sees."""
        from rules.explain import explain_rule
        from rules.own_events import own_event

        event, rules = own_event(message), self._stages.rulebook.rules
        least_trust = self._loaded.config.defaults.trust
        seeing = [rule for rule in rules if _sees(rule, event)]
        explanations = tuple(explain_rule(rule, event, least_trust) for rule in seeing)
        return Told(
            message, None, event, (), None, tuple(rule.name for rule in seeing), explanations, len(rules), least_trust
        )


def _sees(rule: Rule, event: Event) -> bool:
    """Tell whether a rule is shown an event of our own: it did not cause it, and asks for it where it must."""
    from rules.own_events import ANCESTORS, asks_for_own, is_own

    ancestors = event.fields.get(ANCESTORS)
    if isinstance(ancestors, list) and rule.name in ancestors:
        return False
    closing = rule.undo.match if rule.undo else None
    return not is_own(event.fields) or asks_for_own(rule.match) or (closing is not None and asks_for_own(closing))
