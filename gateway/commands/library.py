"""`gateway library`: the rules that come with the gateway, and what each of them is for."""

from __future__ import annotations

import argparse
import sys
from textwrap import wrap
from typing import TYPE_CHECKING

from gateway.commands.terminal import BOLD, COLUMN, DIM, DOUBTFUL, Page, many
from parsers.errors import OperatorError

if TYPE_CHECKING:
    from gateway.library import ShippedFile, ShippedRule

WIDTH = 100
"""Characters of a line of prose."""

HELP = "list the rules that come with the gateway, and say what they are for"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="a file or a rule of the library")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--yaml", action="store_true", help="print the file as it is, to copy from")
    how.add_argument("--markdown", action="store_true", help="print the page of documentation")


def run(args: argparse.Namespace) -> int:
    """Print what the library holds, or one file or rule of it."""
    from gateway.library import shipped, text_of
    from gateway.library_page import page_of

    if args.yaml and args.name is None:
        raise OperatorError("gateway library: --yaml prints one file; name it")
    if args.markdown:
        chosen = None if args.name is None else [_file_of(args.name)]
        sys.stdout.write(page_of(shipped(chosen)))
    elif args.name is None:
        _print_files(shipped())
    elif args.yaml:
        sys.stdout.write(text_of(_file_of(args.name)))
    else:
        (file,) = shipped([_file_of(args.name)])
        _print_file(file, args.name)
    return 0


def _file_of(name: str) -> str:
    """Return the file of this name, or the one that has a rule of it.

    Raises:
        OperatorError: there is none.
    """
    from gateway.config import library_names
    from gateway.library import shipped
    from rules.schema import did_you_mean

    known = library_names()
    if name in known:
        return name
    holders = {one.rule.name: file.name for file in shipped() for one in file.rules}
    if name in holders:
        return holders[name]
    advice = did_you_mean(name, (*known, *holders)) or f"; the files are {', '.join(known)}"
    raise OperatorError(f"gateway library: the library has no file and no rule {name}{advice}")


def _print_files(files: tuple[ShippedFile, ...]) -> None:
    from gateway.library_page import marks

    page = Page()
    width = max(len(file.name) for file in files)
    for file in files:
        page.line(
            (f"{file.name:<{width}}  ", BOLD), (f"{len(file.rules):>2}  ", DIM), (marks(file), DOUBTFUL), file.summary
        )
    page.line()
    rules = many(sum(len(file.rules) for file in files), "rule")
    page.line(f"{rules} in {many(len(files), 'file')}; `gateway library NAME` shows those of a file")


def _print_file(file: ShippedFile, name: str) -> None:
    """Print the rules of a file and what stands at its head; of one rule, only that."""
    page = Page()
    if file.name == name:
        for paragraph in file.about:
            for line in paragraph.splitlines() if paragraph.startswith(" ") else wrap(paragraph, WIDTH):
                page.line(line)
            page.line()
    for one in file.rules:
        if name in (file.name, one.rule.name):
            _print_rule(page, one)


def _print_rule(page: Page, one: ShippedRule) -> None:
    from gateway.library_words import about_words, suppress_words, undo_words, when_words

    rule = one.rule
    page.line((rule.name, BOLD))
    rows = [
        ("", rule.description),
        ("about", about_words(rule.match)),
        ("but not", about_words(rule.unless) if rule.unless is not None else ""),
        ("true", when_words(rule.when)),
        ("", suppress_words(rule.suppress) if rule.suppress is not None else ""),
        ("over", undo_words(rule.undo, rule.match) if rule.undo is not None else ""),
        ("needs", ", ".join(one.programs)),
        ("such as", one.example),
    ]
    for label, text in rows:
        for number, line in enumerate(wrap(text.replace("`", ""), WIDTH - COLUMN, break_on_hyphens=False)):
            page.row(label if number == 0 else "", line)
    page.line()
