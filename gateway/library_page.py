"""The library's page of documentation, out of the rules themselves: `gateway library --markdown`."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.library import ShippedFile, ShippedRule
from gateway.library_words import about_words, suppress_words, undo_words, when_words

PAGE = "README.md"
"""What the page is called, beside the rules."""

_HEAD = """\
# The rule library

These rules come with the gateway, each with tests that `gateway check` runs. `library: [ssh, web]` in gateway.yaml
loads them by the names of their files; `gateway library` lists them, and `gateway library ssh` shows those of one file.

Most only tell the log that they came true. To act upon one, write a rule of your own that asks for it; nothing has to
be copied, and a new release of the gateway brings its improvements:

```yaml
- rule: tell-me
  match: {event.dataset: gateway, event.action: rule-fired, rule.name: [ssh-root-login, sudo-root-shell]}
  do: {mail: [ops@example.com], subject: "${rule.name}: ${user.name} on ${host.name}"}
```

Some files do act: `ban-nftables`, `ban-ipset` and `ban-file` ban the addresses that the others find, `digest` sends
mail, and `import` runs a program of yours. What each of them needs stands at its head.

This page is made from the rules: `gateway library --markdown`.
"""


def page_of(files: tuple[ShippedFile, ...]) -> str:
    """Write the page, in Markdown."""
    return "\n".join(_lines(files))


def _lines(files: tuple[ShippedFile, ...]) -> Iterator[str]:
    yield _HEAD
    yield "| file | rules | |"
    yield "|---|---|---|"
    for file in files:
        yield f"| [`{file.name}`](#{file.name}) | {len(file.rules)} | {_cell(marks(file) + file.summary)} |"
    yield ""
    for file in files:
        yield from _section(file)


def marks(file: ShippedFile) -> str:
    """Say what is unusual about a file, in front of its summary."""
    return "Acts. " * file.acts + "Has every message parsed. " * file.costly


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _section(file: ShippedFile) -> Iterator[str]:
    yield f"## {file.name}"
    yield ""
    for paragraph in file.about:
        yield f"```\n{_dedented(paragraph)}\n```" if paragraph.startswith("    ") else paragraph
        yield ""
    for one in file.rules:
        yield from _rule(one)


def _dedented(paragraph: str) -> str:
    return "\n".join(line[4:] for line in paragraph.splitlines())


def _rule(one: ShippedRule) -> Iterator[str]:
    rule = one.rule
    yield f"**{rule.name}**: {rule.description}"
    yield ""
    but = f", but not {_code(about_words(rule.unless))}" if rule.unless is not None else ""
    yield f"- about {_code(about_words(rule.match))}{but}"
    again = f", {suppress_words(rule.suppress)}" if rule.suppress is not None else ""
    yield f"- true {when_words(rule.when)}{again}"
    if rule.undo is not None:
        yield f"- over {undo_words(rule.undo, rule.match)}"
    if one.programs:
        yield f"- needs {', '.join(map(_code, one.programs))}"
    if one.example:
        yield f"- such as {_code(one.example)}"
    yield ""


def _code(text: str) -> str:
    """Render text as code, whatever backticks it holds (CommonMark, section 6.1)."""
    ticks = "``" if "`" in text else "`"
    return f"{ticks} {text} {ticks}" if "`" in text else f"{ticks}{text}{ticks}"
