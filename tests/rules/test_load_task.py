"""Steps of `do` out of YAML."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rules.job import Part
from rules.load import BUILTIN
from rules.load_step import StepReader
from rules.load_task import as_task_defaults
from rules.schema import Problems
from rules.step import Limits, Step, Task
from rules.strict_yaml import parse


def load(text: str, defaults: Task = BUILTIN) -> tuple[tuple[Step, ...] | None, Problems]:
    """Read the steps of a rule called `r`."""
    root, problems = parse(text, "f"), Problems()
    assert root is not None
    return problems.attempt(root, StepReader("r", Part.DO, defaults).read), problems


def test_words_of_a_command_are_what_stands_in_the_file() -> None:
    """Numbers, truth values and YAML 1.1's traps are words like all others."""
    steps, problems = load("{run: [kill, -9, 0777, yes, true, 1:30, '${source.ip}', x$, $5, a$$b]}")
    assert not problems.errors
    assert not problems.warnings
    assert steps == (Task("r/do/1", ("kill", "-9", "0777", "yes", "true", "1:30", "${source.ip}", "x$", "$5", "a$$b")),)


def test_steps_are_numbered_and_have_their_options() -> None:
    """Every option is read with its unit."""
    options = """
    - {run: [a]}
    - run: [b]
      timeout: 15m
      grace: 0
      user: jobs
      group: "33"
      cwd: /srv
      umask: 0027
      nice: -5
      environment: {LANG: C.UTF-8}
      options: allow
      stdin: none
      output: 1MiB
      limits: {cpu: 2m, address_space: 1GiB, file_size: 10MB, open_files: 64, processes: 16}
      concurrency: 1
    """
    steps, problems = load(options)
    assert not problems.errors
    assert steps == (
        Task("r/do/1", ("a",)),
        Task(
            "r/do/2",
            ("b",),
            timeout=900.0,
            grace=0.0,
            user="jobs",
            group="33",
            cwd="/srv",
            umask=0o027,
            nice=-5,
            environment={"LANG": "C.UTF-8"},
            options=True,
            stdin=False,
            output=1024**2,
            limits=Limits(120, 1024**3, 10**7, 64, 16),
            concurrency=1,
        ),
    )


def test_a_step_takes_what_it_leaves_out_from_the_defaults() -> None:
    """Environment and limits are joined, all else is replaced."""
    root, problems = parse("{timeout: 5s, environment: {A: x, B: x}, limits: {cpu: 1s}}", "f"), Problems()
    assert root is not None
    defaults = problems.attempt(root, as_task_defaults(BUILTIN))
    assert defaults == replace(BUILTIN, timeout=5.0, environment={"A": "x", "B": "x"}, limits=Limits(cpu=1))
    steps, problems = load("{run: [a], environment: {B: y}, limits: {open_files: 9}}", defaults)
    assert steps == (
        replace(
            defaults, name="r/do/1", argv=("a",), environment={"A": "x", "B": "y"}, limits=Limits(cpu=1, open_files=9)
        ),
    )
    assert not problems.errors


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nft add", "f:1:1: a step is wanted: {run: [program, argument]}"),
        ("[]", "f:1:1: there is no step"),
        ("{}", 'f:1:1: the key "run" is missing in "do"; write {run: [program, argument]}'),
        (
            "run: nft add -x '${source.ip}'",
            'f:1:6: "run": there is no shell; write the command as a list: [nft, add, -x, "${source.ip}"]',
        ),
        ("{run: []}", 'f:1:7: "run": the list is empty'),
        ("{run: ['']}", "f:1:8: the program's name is empty"),
        ("{run: ['x${source.ip}']}", "f:1:10: an event must not choose the program"),
        ("{run: [x, '${source.ip']}", "f:1:12: '${' is not closed"),
        ("{run: [x, '${}']}", "f:1:12: "),
        ("{run: [x, null]}", "f:1:11: null means nothing here; put it in quotes if it is text"),
        ("{run: [x, [y]]}", "f:1:11: text is wanted here, not a list"),
        ('{run: [x, "a\\0"]}', "f:1:11: an argument cannot hold a NUL"),
        ("{run: [x], timout: 5s}", 'f:1:12: unknown key "timout" in "do"; did you mean "timeout"?'),
        ("{run: [x], timeout: 0s}", 'f:1:21: "timeout": 0s must be greater than 0'),
        ("{run: [x], umask: 77}", 'f:1:19: "umask": an octal number'),
        ("{run: [x], cwd: tmp}", 'f:1:17: "cwd": an absolute path is wanted, not "tmp"'),
        ("{run: [x], cwd: ~}", 'f:1:17: "cwd": ~ means nothing here'),
        ("{run: [x], nice: 20}", 'f:1:18: "nice": a whole number from -20 to 19'),
        ("{run: [x], options: yes}", 'f:1:21: "options": one of allow, refuse is wanted, not "yes"'),
        ("{run: [x], environment: {GATEWAY_JOB: x}}", "f:1:26: GATEWAY_JOB is the gateway's own to set"),
        ("{run: [x], environment: {a-b: x}}", "f:1:26: a variable's name is wanted"),
        ("{run: [x], limits: {cpu: 1500ms}}", 'f:1:26: "cpu": the kernel counts whole seconds'),
        ("{run: [x], limits: {memory: 1GiB}}", 'f:1:21: unknown key "memory" in "limits"; known are cpu'),
    ],
)
def test_a_wrong_step_says_what_to_write(text: str, error: str) -> None:
    """Each slip gets its place and advice."""
    _, problems = load(text)
    assert str(problems.errors[0]).startswith(error)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("{run: [x, $source.ip]}", 'f:1:11: "$source.ip" is passed on as it stands; a field\'s value is ${source.ip}'),
        ('{run: [x, "|", wall]}', 'f:1:11: there is no shell: "|" is passed on as a word'),
        ("{run: [x], environment: {A: '${b}'}}", "f:1:26: values here are fixed"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(text: str, warning: str) -> None:
    """A command that looks like a shell's."""
    steps, problems = load(text)
    assert steps
    assert not problems.errors
    assert str(problems.warnings[0]).startswith(warning)


SCRIPTS = (
    ["/bin/sh", "-c", "*"],
    ["bash", "-ec", "*", "bash", "x"],
    ["bash", "-euo", "pipefail", "-c", "*"],
    ["bash", "-c", "-e", "--", "*"],
    ["bash", "-oc", "pipefail", "*"],
    ["bash", "--rcfile", "x", "--norc", "-c", "*"],
    ["zsh", "-oextendedglob", "-c", "*"],
    ["dash", "-c", "*"],
    ["ash", "-c", "*"],
    ["/usr/bin/ksh", "+x", "-c", "*"],
    ["busybox", "sh", "-c", "*"],
    ["/usr/bin/env", "-i", "-u", "A", "B=c", "sh", "-c", "*"],
    ["env", "-S", "*"],
    ["sudo", "-n", "-u", "www", "--", "A=b", "sh", "-c", "*"],
    ["sudo", "--user=www", "nice", "-n", "5", "timeout", "-k", "1", "5s", "/bin/bash", "-lc", "*"],
    ["nice", "-5", "sh", "-c", "*"],
    ["timeout", "--signal", "KILL", "5", "python3.11", "-I", "-c", "*", "x"],
    ["su", "www", "-c", "*"],
    ["su", "--command=*"],
    ["python", "-W", "ignore", "-uc", "*"],
    ["python3", "-cprint('*')"],
    ["perl", "-e", "*"],
    ["perl", "-Mstrict", "-I", "lib", "-lane", "*", "file"],
    ["perl", "-e", "1;", "-E", "*"],
    ["ruby", "-rjson", "-r", "set", "-ne", "*"],
    ["node", "--require", "x", "--eval", "*"],
    ["node", "--eval=*"],
    ["node", "-p", "*"],
    ["nodejs", "-pe", "*"],
    ["node", "-p", "-e", "*"],
    ["node", "--print", "--eval", "*"],
    ["php", "-d", "a=b", "-r", "*"],
)
"""Commands whose word with the star is a script."""


STDIN = ", or read the event, JSON, from standard input"


def written(words: list[str], instead: str) -> str:
    """Write a step whose star is something else."""
    return json.dumps({"run": [word.replace("*", instead) for word in words]})


@pytest.mark.parametrize("words", SCRIPTS, ids=" ".join)
def test_no_event_gets_into_a_script(words: list[str]) -> None:
    """However the interpreter is reached, the place is that of the field, and the advice is to pass an argument."""
    text = written(words, "echo ${message}")
    _, problems = load(text)
    (error,) = problems.errors
    assert str(error).startswith(f"f:1:{text.index('${message}') + 1}: ${{message}} would become part of this script")
    advice = str(error).partition("pass it as an argument of its own: ")[2].removesuffix(STDIN)
    assert not load(f"{{run: {advice}}}")[1].errors


def test_the_advice_for_a_shell() -> None:
    """It is what to write, letter by letter; a variable of the shell's own is told how to be one."""
    _, problems = load("{run: [sh, -c, 'echo ${message}']}")
    assert str(problems.errors[0]) == (
        "f:1:22: ${message} would become part of this script, and so the text of an event a command; "
        f"""pass it as an argument of its own: [sh, -c, 'echo "$1"', sh, "${{message}}"]{STDIN}"""
    )
    _, problems = load("{run: [perl, -e, 'print ${source.ip}']}")
    assert f"""[perl, -e, 'print "$ARGV[0]\\n"', "${{source.ip}}"]{STDIN}""" in str(problems.errors[0])
    _, problems = load("{run: [sh, -c, 'echo ${HOME}']}")
    assert "(a variable of the script's own is $${HOME})" in str(problems.errors[0])


@pytest.mark.parametrize(
    "words",
    [
        ["sh", "-c", 'echo "$1"', "sh", "*"],
        ["bash", "-eo", "pipefail", "-c", "echo $1 $name $${HOME}", "bash", "*"],
        ["sh", "/srv/script", "-c", "*"],
        ["python3", "-m", "tool", "-c", "*"],
        ["python3", "/srv/tool.py", "-c", "*"],
        ["perl", "-Mstrict", "/srv/tool.pl", "-e", "*"],
        ["perl", "-pi.bake", "/srv/tool.pl", "*"],
        ["grep", "-c", "*"],
        ["timeout", "5", "grep", "-e", "*", "/srv/python"],
        ["sudo", "-u", "node", "logger", "-e", "*"],
        ["env", "A=*", "logger"],
        ["php", "/srv/tool.php", "-r", "*"],
        ["sh", "-c"],
        ["sudo", "-u"],
        ["timeout"],
    ],
    ids=" ".join,
)
def test_an_event_may_be_an_argument(words: list[str]) -> None:
    """What is no script may hold fields, and a script's own dollar signs are nothing to warn of."""
    _, problems = load(written(words, "${message}"))
    assert (problems.errors, problems.warnings) == ((), ())


def test_two_dollar_signs_in_a_script_are_one() -> None:
    """The shell's process id needs four; elsewhere two are no surprise."""
    _, problems = load("{run: [sh, -c, 'kill -9 $$']}")
    assert [str(warning) for warning in problems.warnings] == [
        "f:1:25: this $$ reaches the script as a single $; for the two characters write $$$$"
    ]
    for words in ("[sh, -c, 'kill -9 $$$$ $${HOME}']", "[echo, 'a$$b']", "[sh, -c, 'echo $1', 'a$$b']"):
        assert not load(f"{{run: {words}}}")[1].warnings
