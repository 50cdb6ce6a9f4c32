"""From a configuration file to everything that runs by it: rules, grammars, the sieve and the tasks."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from gateway.config import Config, ConfigErrors, load, read_rules
from gateway.files import FileKind, file_kind
from gateway.outgoing_config import MailSettings, SendmailSettings
from gateway.pipeline import Stages
from parsers.errors import OperatorError, Place
from parsers.grammar import Grammar
from parsers.lowering import EndlessRepeatError
from parsers.parse import Parser, builtin_grammars
from rules.job import Part
from rules.lists import Listed
from rules.load import BUILTIN, LoadedFile
from rules.mail import sendmail_task
from rules.merge import merge
from rules.rule import Rule
from rules.rulebook import RuleBook
from rules.sieve import Sieve, is_sound
from rules.step import Decrypt, Mail, Task

UNSOUND = (
    "the installed package hyperscan {} misses matches, so that every message is parsed, which is slow; install a "
    "version that the gateway's requirements allow"
)

KEPT_SIEVES = 4
"""Compiled databases that stay in the cache: one or two configurations and the way back."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that loads.

    Attributes:
        errors: rules that are off.
        warnings: what is probably not meant.
        lists: those that stand in files, and may change while the rules run.
        off: the names of the rules that are not there because something is wrong.
        filled: where a step first names a field in `${...}`, by the step's name and the field's.
        lost: the lists whose files cannot be read, and which of `errors` says why.
    """

    config: Config
    parser: Parser
    rules: tuple[Rule, ...]
    errors: tuple[OperatorError, ...]
    warnings: tuple[OperatorError, ...]
    lists: tuple[Listed, ...] = ()
    off: frozenset[str] = frozenset()
    filled: Mapping[tuple[str, str], Place] = field(default_factory=dict)
    lost: Mapping[Listed, OperatorError] = field(default_factory=dict)


def load_all(path: Path) -> Loaded:
    """Read a configuration and its rules; what does not load is off, and named in `errors`: rules, rule files, lists.

    Raises:
        ConfigErrors: the configuration itself, or a grammar it names, does not load.
    """
    config = load(path)
    parser = parser_of(config)
    files = read_rules(config, parser.grammars)
    merged = merge(files)
    rules = merged.rules
    lost = config.pieces.lost()
    errors = (*lost.values(), *(error for file in files for error in file.errors), *merged.errors)
    warnings = (*config.warnings, *(warning for file in files for warning in file.warnings), *merged.warnings)
    warnings += tuple(_missing_keys(rules, config.folder, files))
    if not errors:
        warnings += tuple(config.pieces.unused({place for file in files for place in file.used}))
    if not is_sound():
        warnings += (OperatorError(UNSOUND.format(version("hyperscan"))),)
    lists = (*config.pieces.files(), *(each for file in files for each in file.lists))
    filled = {named: place for file in reversed(files) for named, place in file.filled.items()}
    lost.update(each for file in files for each in file.lost.items())
    return Loaded(config, parser, rules, errors, warnings, lists, merged.off, filled, lost)


def load_again(path: Path) -> Loaded:
    """Read a configuration for a gateway that runs: here an error anywhere refuses the whole.

    A rule that ran until now must not fall silent because of a slip in its file, and half of the old with half of the
    new is what nobody wrote. At the start there is nothing to keep, so `load_all` takes what loads.

    Raises:
        ConfigErrors: the configuration, a grammar, a rule file or a rule does not load.
    """
    loaded = load_all(path)
    if loaded.errors:
        raise ConfigErrors(loaded.errors)
    return loaded


def load_tasks(path: Path) -> Mapping[str, Task]:
    """Return the tasks that the configuration's rules name: the runner's own copy, read by itself.

    It has the grammars as well: a rule that is off for the gateway and not for the runner could hide another one of
    its name, and then the wrong command would be run.

    Raises:
        ConfigErrors: the configuration does not load.
    """
    config = load(path)
    rules = merge(read_rules(config, parser_of(config).grammars)).rules
    tasks = tasks_of(rules, config.mail, config.defaults.run, config.folder)
    checker = config.drop.checker
    return tasks if checker is None else {**tasks, checker.name: checker}


def tasks_of(
    rules: Iterable[Rule], mail: MailSettings, defaults: Task = BUILTIN, folder: Path = Path("/")
) -> dict[str, Task]:
    """Return the tasks that rules name, in all their parts; where mail goes through a program, mails are tasks too.

    Args:
        rules: whose tasks.
        mail: how mail goes out.
        defaults: how a process runs whose step does not say otherwise.
        folder: the configuration's; keys stand beside it.
    """
    tasks: dict[str, Task] = {}
    for step in (step for rule in rules for part in Part for step in rule.steps(part)):
        if isinstance(step, Task):
            tasks[step.name] = step
        elif isinstance(step, Decrypt):
            tasks[step.name] = decrypt_task(step, folder)
        elif isinstance(step, Mail) and isinstance(mail, SendmailSettings):
            tasks[step.name] = sendmail_task(step, str(mail.program), mail.sender, defaults)
    return tasks


def decrypt_task(step: Decrypt, folder: Path) -> Task:
    """Return the task of a `decrypt` step: our own program runs.

    It is told by its file, for the step's user need not be able to import the gateway, only to read that file. `-I`
    keeps the environment and the working directory from having a say in what is imported.
    """
    program = Path(__file__).with_name("decrypt.py")
    keys = (("--key", step.key), ("--passphrase-file", step.passphrase_file))
    named = (word for option, file in keys if file is not None for word in (option, str(folder / file)))
    fixed = (word.replace("$", "$$") for word in (sys.executable, "-I", str(program), *named))
    return replace(step.run, argv=(*fixed, "--", step.file))


def _missing_keys(rules: Iterable[Rule], folder: Path, files: Iterable[LoadedFile]) -> Iterator[OperatorError]:
    """Yield which files with keys are not there; others than we may be allowed to read them."""
    places = {name: place for file in files for name, place in file.places.items()}
    for rule, step in ((one, step) for one in rules for part in Part for step in one.steps(part)):
        if not isinstance(step, Decrypt):
            continue
        for path in (folder / file for file in (step.key, step.passphrase_file) if file is not None):
            if (kind := file_kind(path)) not in (FileKind.REGULAR, FileKind.UNREACHABLE):
                yield OperatorError(f"the key {path} {kind.value}", places.get(step.name, rule.place))


def make_stages(loaded: Loaded, *, owner: bool = True) -> Stages:
    """Make what a batch goes through; the compiled sieve comes from the state folder where it is there.

    Whoever is not the `owner` of the state uses the cache, and does not make its folder: that would belong to root,
    say, who checks, and the gateway could not write into it.
    """
    trust, timers = loaded.config.defaults.trust, loaded.config.timers()
    rulebook = RuleBook(loaded.rules, loaded.parser.grammars, trust, parse=loaded.parser.parse, timers=timers)
    folder = loaded.config.state / "sieve"
    sieve = _sieve(rulebook, folder) if owner or folder.is_dir() else Sieve(rulebook.needs)
    return Stages(sieve, loaded.parser, rulebook)


def parser_of(config: Config) -> Parser:
    """Make the parser with the operator's grammars before those that are built in.

    Raises:
        ConfigErrors: a grammar that the configuration names does not load.
    """
    own = _own_grammars(config)
    try:
        parser = Parser((*own, *builtin_grammars()))
        for grammar in parser.grammars[: len(own)]:
            grammar.patterns()
    except EndlessRepeatError as error:
        raise ConfigErrors([OperatorError(f"grammars: {error}", Place(str(config.path)))]) from None
    return parser


def _own_grammars(config: Config) -> tuple[Grammar, ...]:
    problems: list[str] = []
    grammars: list[Grammar] = []
    for name in config.grammars:
        try:
            grammar = importlib.import_module(name).GRAMMAR
        except AttributeError:
            problems.append(f"the module {name} has no GRAMMAR")
        except Exception as error:  # noqa: BLE001 -- the operator's module can fail in any way
            problems.append(f"the module {name} cannot be imported: {type(error).__name__}: {error}")
        else:
            if isinstance(grammar, Grammar):
                grammars.append(grammar)
            else:
                problems.append(f"GRAMMAR of the module {name} is no parsers.grammar.Grammar")
    if problems:
        place = Place(str(config.path))
        raise ConfigErrors(OperatorError(f"grammars: {problem}", place) for problem in problems)
    return tuple(grammars)


def _sieve(rulebook: RuleBook, folder: Path) -> Sieve:
    """Take the compiled sieve from the cache, or compile it and keep it; a cache that fails costs only time."""
    key = Sieve.key_of(rulebook.needs)
    file = folder / f"{key}.hs"
    compiled = None
    with suppress(OSError):
        compiled = file.read_bytes()
    sieve = Sieve(rulebook.needs, compiled)
    if sieve.was_compiled:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(".new")  # whoever else writes it writes the same
            fresh.write_bytes(sieve.dump())
            fresh.replace(file)
            _prune(folder.glob("*.hs"))
    return sieve


def _prune(files: Iterable[Path]) -> None:
    newest_first = sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)
    for file in newest_first[KEPT_SIEVES:]:
        file.unlink()
