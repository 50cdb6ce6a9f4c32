"""Which words of a command an interpreter reads as a program: `sh -c WORD`, `perl -ne WORD`, `sudo sh -ec WORD`.

An event's text must not get into such a word: there it would be a command. The command's own options are read as the
programs themselves read them, as far as it takes to find the word; what is in doubt counts as a script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class ScriptWord:
    """A word that is a program's text.

    Attributes:
        index: its place in the command.
        example: a command whose script gets `${message}` as an argument.
    """

    index: int
    example: str

    def instead(self, filled: str) -> str:
        """Return a command whose script gets what is filled in (`${field}`) as an argument, as advice."""
        return self.example.replace("${message}", filled)


@dataclass(frozen=True, slots=True)
class _Options:
    """How a program reads its options; a letter that is named nowhere is a switch.

    Attributes:
        script: letters whose value, the rest of the word or the next one, is a script.
        valued: letters with another such value.
        attached: letters whose value can only be the rest of the word.
        last: letters behind whose value no option comes any more.
        long_script: long options whose value is a script.
        long_valued: long options whose value may be the next word.
    """

    script: str = ""
    valued: str = ""
    attached: str = ""
    last: str = ""
    long_script: frozenset[str] = frozenset()
    long_valued: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Wrapper:
    """A program that runs the command in its arguments, behind its options and so many other words."""

    options: _Options
    words: int = 0


_SHELLS = re.compile(r"(?:ba|da|a|z|m?k|hu|rba)?sh|ksh93")
_IN_SHELL = """[sh, -c, 'echo "$1"', sh, "${message}"]"""
_SHELL_VALUED = frozenset({"--rcfile", "--init-file"})
_LONGEST_CLUSTER = 6
"""Letters; zsh takes the value of -o in the same word, which is longer."""

_SU = _Options("c", "gGsTUw", long_script=frozenset({"--command", "--session-command"}))

_INTERPRETERS: Sequence[tuple[re.Pattern[str], _Options, str]] = (
    (re.compile(r"su|runuser"), _SU, """[su, user, -c, 'echo "$1"', sh, "${message}"]"""),
    (
        re.compile(r"(?:python|pypy)[\d.]*"),
        _Options("c", "mWX", last="cm", long_valued=frozenset({"--check-hash-based-pycs"})),
        """[python3, -c, "import sys; print(sys.argv[1])", "${message}"]""",
    ),
    (
        re.compile(r"perl[\d.]*"),
        _Options("eE", "I", "CDFMVdimtux"),
        """[perl, -e, 'print "$ARGV[0]\\n"', "${message}"]""",
    ),
    (
        re.compile(r"ruby[\d.]*"),
        _Options("e", "CEIXr", "FKTWix", long_valued=frozenset({"--encoding", "--external-encoding"})),
        """[ruby, -e, "puts ARGV[0]", "${message}"]""",
    ),
    (
        re.compile(r"node(?:js)?[\d.]*"),
        _Options(
            "ep",
            "Cr",
            long_script=frozenset({"--eval", "--print"}),
            long_valued=frozenset({"--require", "--import", "--loader", "--conditions"}),
        ),
        """[node, -e, "console.log(process.argv[1])", "${message}"]""",
    ),
    (
        re.compile(r"php[\d.]*"),
        _Options(
            "rBRE",
            "cdzfFtS",
            long_script=frozenset({"--run", "--process-begin", "--process-code", "--process-end"}),
            long_valued=frozenset({"--php-ini", "--define", "--zend-extension", "--file"}),
        ),
        """[php, -r, 'echo $argv[1];', "${message}"]""",
    ),
)

_SUDO_LONG = frozenset(
    f"--{name}" for name in ("user", "group", "host", "prompt", "chdir", "chroot", "close-from", "role", "type")
)
_WRAPPERS: Mapping[str, _Wrapper] = {
    "busybox": _Wrapper(_Options()),
    "doas": _Wrapper(_Options(valued="Cu")),
    "env": _Wrapper(
        _Options("S", "uC", long_script=frozenset({"--split-string"}), long_valued=frozenset({"--unset", "--chdir"}))
    ),
    "ionice": _Wrapper(_Options(valued="cn", long_valued=frozenset({"--class", "--classdata"}))),
    "nice": _Wrapper(_Options(valued="n", long_valued=frozenset({"--adjustment"}))),
    "nohup": _Wrapper(_Options()),
    "setsid": _Wrapper(_Options()),
    "stdbuf": _Wrapper(_Options(valued="ioe", long_valued=frozenset({"--input", "--output", "--error"}))),
    "sudo": _Wrapper(_Options(valued="CDRTUacghprtu", long_valued=_SUDO_LONG)),
    "timeout": _Wrapper(_Options(valued="ks", long_valued=frozenset({"--kill-after", "--signal"})), words=1),
}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def script_words(words: Sequence[str]) -> Iterator[ScriptWord]:
    """Yield the words of a command that are scripts, in order."""
    start = 0
    while start < len(words):
        name = PurePosixPath(words[start]).name
        start += 1
        if _SHELLS.fullmatch(name):
            yield from (ScriptWord(index, _IN_SHELL) for index in _of_shell(words, start))
            return
        for pattern, options, instead in _INTERPRETERS:
            if pattern.fullmatch(name):
                found, _ = _read(words, start, options, permuted=options is _SU)
                yield from (ScriptWord(index, instead) for index in found)
                return
        wrapper = _WRAPPERS.get(name)
        if wrapper is None:
            return
        found, start = _read(words, start, wrapper.options)
        yield from (ScriptWord(index, _IN_SHELL) for index in found)
        while start < len(words) and _ASSIGNMENT.match(words[start]):
            start += 1
        start += wrapper.words


def _of_shell(words: Sequence[str], start: int) -> Iterator[int]:
    """Yield the script of a shell with -c: the first word that is no option, wherever the -c stands before it."""
    command, index = False, start
    while index < len(words) and words[index][:1] in {"-", "+"}:
        word = words[index]
        index += 1
        if word in {"-", "--"}:
            break
        if word.startswith("--"):
            index += word in _SHELL_VALUED
            continue
        command = command or "c" in word
        takes_value = len(word) <= 1 + _LONGEST_CLUSTER and ("o" in word or "O" in word)
        if takes_value and index < len(words):
            index += words[index][:1] not in {"-", "+"}  # `bash -oc NAME SCRIPT`; a bare -o lists the options
    if command and index < len(words):
        yield index


def _read(words: Sequence[str], start: int, options: _Options, *, permuted: bool = False) -> tuple[list[int], int]:
    """Return the scripts among the options' values, and where the first word stands that is no option.

    With `permuted`, options may also stand behind other words.
    """
    found: list[int] = []
    index = start
    while index < len(words):
        word = words[index]
        if not word.startswith("-") or word == "-":
            if not permuted:
                break
            index += 1
            continue
        index += 1
        if word == "--":
            break
        if word.startswith("--"):
            name, equals, _ = word.partition("=")
            if name in options.long_script:
                found.append(index - 1 if equals else index)
            if not equals and name in options.long_script | options.long_valued:
                index += _is_value(words, index, script=name in options.long_script)
            continue
        letter, rest = _valued(word, options)
        if letter in options.script and letter:
            found.append(index - 1 if rest else index)
        if letter and not rest:
            index += _is_value(words, index, script=letter in options.script)
        if letter and letter in options.last:
            break
    return [place for place in found if place < len(words)], index


def _is_value(words: Sequence[str], index: int, *, script: bool) -> bool:
    """Tell whether this word is surely an option's value: `node -p -e SCRIPT` has two options and one script."""
    return not (script and index < len(words) and words[index].startswith("-"))


def _valued(word: str, options: _Options) -> tuple[str, str]:
    """Return the letter of a cluster that takes a value, and what of the value stands in the same word."""
    for position, letter in enumerate(word[1:], 2):
        rest = word[position:]
        if letter in options.valued or (letter in options.script and not (rest and set(rest) <= set(options.script))):
            return letter, rest
        if letter in options.attached:
            break
    return "", ""
