"""`gateway check`: loads everything, runs the tests of all rules, and says what is wrong or probably not meant."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.findings import Finding, finding_of
from gateway.commands.shown_coverage import coverage_dict, print_coverage
from gateway.commands.terminal import BAD, DIM, DOUBTFUL, GOOD, Page, json_line, many
from parsers.errors import OperatorError, Place

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.loading import Loaded
    from rules.coverage import Coverage
    from rules.step import Task

HELP = "load everything, run the rules' tests, say what is wrong"

USUAL = Path("gateway.yaml")
INSTALLED = Path("/etc/gateway/gateway.yaml")
"""Where a machine's own gateway has its configuration: it is meant where the folder has none."""

DEFAULT = f"default: {USUAL}, else {INSTALLED}"
"""Which configuration a command takes, for its help."""

COLOURS = {"error": BAD, "warning": DOUBTFUL, "note": DIM}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help=DEFAULT)
    parser.add_argument("--coverage", action="store_true", help="say what of the rules no test reaches")
    parser.add_argument("--strict", action="store_true", help="warnings count as errors")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print what was found; 0 when all is well, 1 for errors and failed tests."""
    report = check(configuration(args.file, "gateway check "), coverage=args.coverage)
    if args.json:
        print(json_line(report.to_dict()))
    else:
        _print(report)
    kinds = {finding.kind for finding in report.findings}
    return 1 if "error" in kinds or (args.strict and "warning" in kinds) else 0


def usual_configuration() -> Path | None:
    """Return the configuration that is meant where none is named: this folder's, else the installed one, if any."""
    return next((file for file in (USUAL, INSTALLED) if _is_there(file)), None)


def configuration(file: Path | None, option: str = "--config ") -> Path:
    """Return the configuration file; a folder stands for the gateway.yaml in it, None for the usual one.

    Args:
        file: as it was named.
        option: what stands before its name in the command.

    Raises:
        OperatorError: there is none.
    """
    if file is None:
        file = usual_configuration()
        if file is None:
            near = sorted(Path().glob("*/gateway.yaml"))
            named = f"did you mean `{option}{near[0]}`?" if near else f"name one with `{option}FILE`"
            advice = named if near else f"{named}; `gateway init DIR` makes one"
            raise OperatorError(f"there is no configuration, neither {USUAL} here nor {INSTALLED}; {advice}")
        return file
    if os.path.isdir(file):  # noqa: PTH112 -- False too for what is out of reach, which its reader tells
        file /= "gateway.yaml"
    if not _is_there(file):
        raise OperatorError("this configuration does not exist; `gateway init DIR` makes one", Place(str(file)))
    return file


def _is_there(file: Path) -> bool:
    """Tell whether there is such a file; what is out of reach may be there, and whoever reads it says why."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


@dataclass(slots=True)
class Report:
    """What a check found out.

    Attributes:
        tests: how many expectations the rules' tests hold.
        failed: how many of them were not met.
        untested: how many rules have no tests.
        expressions: what the sieve looks for; None where everything was too wrong to make one.
        seconds: how long compiling the sieve took; None when it came from the cache.
        coverage: what of each rule its tests reach; None when nobody asked.
    """

    file: Path
    findings: list[Finding] = field(default_factory=list)
    rules: int = 0
    tests: int = 0
    failed: int = 0
    untested: int = 0
    expressions: int | None = None
    octets: int = 0
    seconds: float | None = None
    sources: list[str] = field(default_factory=list)
    coverage: list[Coverage] | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it ready for JSON."""
        covered = {} if self.coverage is None else {"coverage": coverage_dict(self.coverage)}
        return {
            "file": str(self.file),
            "findings": [finding.to_dict() for finding in self.findings],
            "rules": self.rules,
            "tests": self.tests,
            "failed": self.failed,
            "untested": self.untested,
            "sieve": {"expressions": self.expressions, "octets": self.octets, "compile_seconds": self.seconds},
            "sources": self.sources,
            **covered,
        }


def check(file: Path, *, coverage: bool = False) -> Report:
    """Load a configuration with all that it names, and look at it; at what its tests reach only when asked."""
    from gateway.commands.checked_files import files_beside
    from gateway.config import ConfigErrors
    from gateway.loading import load_all, tasks_of

    report = Report(file)
    try:
        loaded = load_all(file)
    except ConfigErrors as errors:
        report.findings = [finding_of("error", error, file.parent) for error in errors.errors]
        return report
    config = loaded.config
    report.rules = len(loaded.rules)
    report.sources = [_source_words(config, index) for index in range(len(config.sources))]
    report.findings += [finding_of("error", error, config.folder) for error in loaded.errors]
    report.findings += [finding_of("warning", warning, config.folder) for warning in loaded.warnings]
    if not loaded.rules:
        report.findings.append(
            Finding("warning", "there are no rules, so that nothing will ever happen", Place(str(file)))
        )
    report.findings += files_beside(config)
    report.coverage = _coverages(loaded) if coverage else None
    failures = list(_failed_tests(loaded, report.coverage))
    report.findings += failures
    report.failed = len(failures)
    report.tests = sum(step.expect is not None for rule in loaded.rules for step in rule.tests)
    report.untested = sum(not rule.tests for rule in loaded.rules)
    report.findings += _doubts(loaded)
    report.findings += _sieve(loaded, report)
    for rule in loaded.rules:
        report.findings += [
            Finding("warning", problem, rule.place, rule.name)
            for task in tasks_of([rule], config.mail, config.defaults.run, config.folder).values()
            for problem in _cannot_start(task)
        ]
    return report


def _source_words(config: Config, index: int) -> str:
    from gateway.source_config import kind_of, place_of

    source = config.sources[index]
    return f"{source.name} ({kind_of(source)} {place_of(source)})"


def _coverages(loaded: Loaded) -> list[Coverage]:
    from rules.coverage import Coverage

    return [Coverage(rule) for rule in loaded.rules]


def _failed_tests(loaded: Loaded, coverages: Sequence[Coverage] | None) -> Iterator[Finding]:
    from rules.examples import run_tests

    trust = loaded.config.defaults.trust
    for rule, coverage in zip(loaded.rules, coverages or repeat(None)):  # noqa: B905 -- the second may be endless
        if not loaded.off.isdisjoint(step.expect.rule for step in rule.tests if step.expect and step.expect.rule):
            continue  # what is wrong is told of the rule that they look at
        for failure in run_tests(rule, loaded.parser, trust, loaded.rules, coverage):
            yield Finding("error", f"the test failed: {failure.problem}", failure.place, rule.name)


def _doubts(loaded: Loaded) -> Iterator[Finding]:
    from rules.review import Review

    sources = [source.name for source in loaded.config.sources]
    review = Review(loaded.parser.grammars, sources, loaded.rules, loaded.config.timers())
    for rule in loaded.rules:
        for doubt in review.of(rule):
            kind = "error" if doubt.is_error else "note" if doubt.mild else "warning"
            place = loaded.filled.get(doubt.filled, rule.place) if doubt.filled else rule.place
            yield Finding(kind, doubt.words, place, rule.name)


def _sieve(loaded: Loaded, report: Report) -> Iterator[Finding]:
    """Compile the sieve, count what it looks for, and yield the rules that it cannot look for."""
    from time import perf_counter

    from gateway.loading import make_stages
    from rules.when import stages_of
    from rules.words import words

    begin = perf_counter()
    stages = make_stages(loaded, owner=False)
    report.seconds = round(perf_counter() - begin, 3) if stages.sieve.was_compiled else None
    needs = stages.rulebook.needs
    report.expressions = len({necessary.expression for need in needs for necessary in need or ()})
    report.octets = len(stages.sieve.dump())
    never = {finding.rule for finding in report.findings if finding.problem.startswith("it can never fire")}
    for rule, need in zip(loaded.rules, needs, strict=True):
        if need is None and rule.name not in never:
            asked = words(rule.match)
            if asked == "{}" and stages_of(rule.when):
                asked = "one of the conditions in its `when`"
            problem = (
                f"every message has to be parsed because of this rule, for {asked} names no text that "
                "must stand in it; add a condition that does, such as event.action, process.name or "
                "message: {contains: …}"
            )
            yield Finding("warning", problem, rule.place, rule.name)


def _cannot_start(task: Task) -> Iterator[str]:
    """Yield why a task's program will not start on this machine."""
    import grp
    import pwd
    import shutil

    from gateway.runner.children import PATH

    program, path = task.argv[0], task.environment.get("PATH", PATH)
    if not Path(task.cwd).is_dir():
        yield f"{task.name}: the folder {task.cwd} does not exist, so that nothing can be started in it"
    if "/" in program:
        place = Path(task.cwd, program)
        if not place.exists():
            advice = "; install one, or set `mail: {smtp: HOST}`" if task.mail is not None else ""
            yield f"{task.name}: there is no file {place}{advice}"
        elif shutil.which(str(place)) is None:
            yield f"{task.name}: {place} is no program; chmod +x it"
    elif shutil.which(program, path=path) is None:
        yield f"{task.name}: there is no program {program} in PATH {path}"
    for what, name, look_up in (("user", task.user, pwd.getpwnam), ("group", task.group, grp.getgrnam)):
        if name is not None and not name.isdecimal():
            try:
                look_up(name)
            except KeyError:
                yield f"{task.name}: there is no {what} {name} on this machine"


def _print(report: Report) -> None:
    page = Page()
    for finding in report.findings:
        place = f"{finding.place}: " if finding.place else ""
        rule = f"rule {finding.rule}: " if finding.rule else ""
        page.line(place, (finding.kind, COLOURS[finding.kind]), f": {rule}{finding.problem}")
    if report.findings:
        page.line()
    if report.expressions is None:
        page.line((f"{report.file} does not load", BAD), f": {many(len(report.findings), 'error')}")
        return
    if report.rules:
        passed = "all passed" if not report.failed else f"{report.failed} failed"
        tests = f"{many(report.tests, 'test')}: {passed}" if report.tests else "no tests"
        page.line(f"{many(report.rules, 'rule')}, ", (tests, BAD if report.failed else GOOD))
        if report.untested:
            page.line((f"{many(report.untested, 'rule')} without tests", DIM))
        compiled = "from the cache" if report.seconds is None else f"compiled in {report.seconds:.1f} s"
        if report.coverage is not None:
            print_coverage(page, report.coverage)
        page.line(f"sieve: {many(report.expressions, 'expression')}, {report.octets / 1024:.0f} KiB, {compiled}")
    page.line(f"listens on {', '.join(report.sources)}")
    counts = [many(n, kind) for kind in ("error", "warning") if (n := _count(report.findings, kind))]
    page.line((f"{report.file}: {', '.join(counts) or 'fine'}", BAD if _count(report.findings, "error") else None))


def _count(findings: Sequence[Finding], kind: str) -> int:
    return sum(finding.kind == kind for finding in findings)
