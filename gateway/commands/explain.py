"""`gateway explain`: shows each stage's answer to one message, how the rules stood, and why they did not act."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.commands.check import DEFAULT, INSTALLED, USUAL, configuration, usual_configuration
from gateway.commands.parse import NONE, as_epoch, as_zone
from gateway.commands.terminal import json_line, many
from parsers.errors import OperatorError
from parsers.framing.syslog_stream import Framing
from parsers.message import Frames, Message, Origin, Trust, one_frame

if TYPE_CHECKING:
    from gateway.commands.told import Explainer, Told
    from gateway.loading import Loaded
    from rules.condition import Network

HELP = "show each stage's answer to one message, how the rules stand, and why one does not want it or does not act"

NEAREST = 5
"""Rules that do not want the message and are shown all the same, as long as nobody asks for all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "line",
        metavar="LINE",
        nargs="?",
        help="the message; - reads messages from standard input; without --source, a JSON object whose event.dataset "
        "is drop, files, emit or gateway is such an event of the gateway's own",
    )
    parser.add_argument(
        "--file",
        dest="log",
        metavar="LOG",
        nargs="+",
        help="explain a line of this log, with what the rules have counted until then; first the files that it was "
        "rotated into, as far as they matter",
    )
    parser.add_argument(
        "--at", metavar="LINE", help="of LOG: the number of the line, or a text that it has (the last one that has it)"
    )
    parser.add_argument(
        "--live", action="store_true", help="ask the gateway that runs what its rules have counted, and what is open"
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
    parser.set_defaults(misused=parser.error)


def _address(text: str) -> str:
    from ipaddress import ip_address

    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no IP address") from None


def run(args: argparse.Namespace) -> int:
    """Explain; 0 when there was a message to explain."""
    from gateway.commands.told import Explainer

    _check(args)
    loaded, notes = load_or_library(args.config)
    if args.rule:
        _check_rule(args.rule, loaded)
    explainer = Explainer(loaded, args.rule)
    shown = 0
    for told in _of_log(args, loaded, explainer, notes) if args.log else _of_text(args, loaded, explainer, notes):
        if args.live:
            from gateway.commands.explain_live import explain_live

            told = explain_live(told, loaded.config.state)  # noqa: PLW2901 -- the same, with more
        _show(args, told, again=shown > 0)
        shown += 1
    if not shown:
        print("gateway explain: there is no message in this text", file=sys.stderr)
    return 0 if shown else 1


def _check(args: argparse.Namespace) -> None:
    """Make sure that it is said what is to be explained; exits with the usage where too much or too little is said."""
    wrong = None
    if args.log is None:
        if args.line is None:
            wrong = "give a LINE to explain, or --file LOG --at LINE"
        elif args.at is not None:
            wrong = "--at is a line of a log; name it with --file"
        elif args.live and args.now is not None:
            wrong = "--live is about now; leave --now away"
    elif args.line is not None:
        # a LINE before --file, or one file too many behind it
        wrong = f"--file explains a line of the log: leave {args.line!r} away, or say which with --at"
    elif args.at is None:
        wrong = "which line of the log? Say it with --at: its number, or a text that it has"
    else:
        given = {"--live": args.live, "--now": args.now is not None, "--framing": args.framing is not None}
        not_together = [option for option, is_given in given.items() if is_given]
        if not_together:
            wrong = f"{not_together[0]} does not go with --file, where the log says it"
    if wrong is not None:
        args.misused(wrong)


def _of_text(args: argparse.Namespace, loaded: Loaded, explainer: Explainer, notes: Sequence[str]) -> Iterator[Told]:
    from gateway import clock

    origin = _origin(args, loaded)
    now = clock.now() if args.now is None else args.now
    frames, notes_of_frames = _frames(args)
    _note((*notes, *notes_of_frames))
    for start, stop in frames:
        message = Message(frames.data[start:stop], origin, now, start in frames.truncated)
        own = _own(args, loaded, message)
        yield explainer.explain(message) if own is None else explainer.explain_own(own)


def _of_log(args: argparse.Namespace, loaded: Loaded, explainer: Explainer, notes: Sequence[str]) -> Iterator[Told]:
    from gateway.commands.explain_log import explain_log

    told, notes_of_log = explain_log(args.log, args.at, explainer, _origin(args, loaded))
    _note((*notes, *notes_of_log))
    yield told


def _note(notes: Iterable[str]) -> None:
    from gateway.log import escaped

    for note in notes:
        print(f"gateway explain: {escaped(note)}", file=sys.stderr)


def _show(args: argparse.Namespace, told: Told, *, again: bool) -> None:
    most = None if args.all or args.rule else NEAREST
    if args.json:
        print(json_line(told.to_dict(most)))
        return
    from gateway.commands.explained import show

    if again:
        print()
    show(told, most)


def load_or_library(file: Path | None) -> tuple[Loaded, list[str]]:
    """Return the configuration, or the library and the built-in grammars where there is none, and what to say."""
    from gateway.config import Config, read_rules, telling_library
    from gateway.loading import Loaded, load_all
    from parsers.parse import Parser, builtin_grammars
    from rules.merge import merge

    file = file or usual_configuration()
    if file is not None:
        loaded = load_all(configuration(file))
        off = len(loaded.errors)
        return loaded, [f"{many(off, 'fault')} in the rules: what is wrong is off; see `gateway check`"] if off else []
    config = Config(USUAL, Path(), Path("state"), (), telling_library())
    parser = Parser(builtin_grammars())
    rules = merge(read_rules(config, parser.grammars)).rules
    nowhere = f"there is no {USUAL} here, no {INSTALLED} and no --config"
    note = f"{nowhere}: the rules are those of the library, at their defaults"
    return Loaded(config, parser, rules, (), ()), [note]


def _check_rule(name: str, loaded: Loaded) -> None:
    from rules.schema import did_you_mean

    names = [rule.name for rule in loaded.rules]
    if name not in names:
        raise OperatorError(f"gateway explain: --rule: there is no rule {name}{did_you_mean(name, names)}")


def _origin(args: argparse.Namespace, loaded: Loaded) -> Origin:
    """Return who is taken for the sender."""
    from gateway.drop_source_config import FtpSource, SftpSource
    from gateway.file_source_config import FilesSource
    from gateway.source_config import TcpSource, TlsSource, UdpSource, UnixSource
    from gateway.timer_source_config import TimerSource
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
        networks = () if isinstance(source, UnixSource | FilesSource | TimerSource) else source.trusted
        trusted = args.address is not None and _within(args.address, networks)
        if networks and args.address is None:
            _note([f"{args.source} trusts some networks, and without --from the sender is taken for none of theirs"])
    if args.trust is not None:
        trust = Trust[args.trust.upper()]
    if trust is None:
        trust = Trust.LOCAL
    return Origin(args.source or "explain", trust, args.address, trusted=trusted, zone=zone or local_zone())


def _own(args: argparse.Namespace, loaded: Loaded, message: Message) -> Message | None:
    """Return the event of our own that a text is as JSON; None where it is none.

    What comes through another source never is, whatever it says; what comes through a timer is nothing else.
    """
    from rules.own_events import DROP, OWN, own_message

    timers = loaded.config.timers()
    of_timer = args.source in timers
    if args.source is not None and not of_timer:
        return None
    fields = _json_object(message.frame)
    if fields is None and of_timer:
        advice = "write fields of its event as JSON, {} for the usual ones"
        raise OperatorError(f"gateway explain: {args.source} is a timer, through which no message comes; {advice}")
    dataset = args.source if of_timer else (fields or {}).get("event.dataset")
    if fields is None or not isinstance(dataset, str) or dataset not in OWN.union(timers):
        return None
    if dataset in timers:
        return _of_timer(loaded, dataset, fields, message.received)
    known = args.trust or fields.get("gateway.trust")
    usual = Trust.ACCOUNT if dataset == DROP else Trust.LOCAL
    trust = next((trust for trust in Trust if trust.name.lower() == known), usual)
    trusted = fields.get("gateway.trusted") is True
    return own_message(fields, message.received, dataset, Origin(dataset, trust, args.address, trusted=trusted))


def _json_object(text: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(text) if text.lstrip().startswith(b"{") else None
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _of_timer(loaded: Loaded, name: str, fields: dict[str, Any], now: float) -> Message:
    """Return the event of a timer that is due now, with some fields as they are given."""
    from gateway.sources.timer import timer_event
    from gateway.timer_source_config import TimerSource
    from rules.own_events import own_message

    source = next(one for one in loaded.config.sources if isinstance(one, TimerSource) and one.name == name)
    usual = timer_event(source, float(int(now)), 0, now)
    return own_message({**json.loads(usual.frame), **fields}, now, origin=usual.origin)


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
