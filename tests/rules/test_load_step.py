"""Steps of all kinds out of YAML, each where it may stand."""

from __future__ import annotations

import pytest

from rules.job import Part
from rules.load import BUILTIN
from rules.load_step import StepReader
from rules.schema import Problems
from rules.step import DeadLetter, Emit, Forward, Mail, Pause, Resume, Step, Task, texts_of
from rules.strict_yaml import parse


def load(text: str, part: Part = Part.DO) -> tuple[tuple[Step, ...] | None, Problems]:
    """Read the steps of a rule called `r`, where there are the destinations `centre` and `archive`."""
    root, problems = parse(text, "f"), Problems()
    assert root is not None
    return problems.attempt(root, StepReader("r", part, BUILTIN, {"centre", "archive"}).read), problems


def test_every_kind_of_step() -> None:
    """Each has its name, of the part in which it stands."""
    steps, problems = load(
        """
    - {run: [a, "${source.ip}"], lock: one}
    - {stream: [b], timeout: 5s, ready: true}
    - {mail: [ops@example.com, root, root], subject: "${rule.name} fails", body: "because"}
    - {mail: root, subject: x}
    - {forward: centre}
    - {emit: {event.action: alarm, labels.n: 7, labels.yes: true, message: "of ${source.ip}"}}
    - {pause: "${rule.name}"}
    - {resume: other}
    - {dead_letter: "the ${rule.name} box"}
    """,
        Part.ON_FAILURE,
    )
    assert not problems.errors
    assert not problems.warnings
    assert steps == (
        Task("r/on_failure/1", ("a", "${source.ip}"), lock="one"),
        Task("r/on_failure/2", ("b",), timeout=5.0, stream=True, ready=True),
        Mail("r/on_failure/3", ("ops@example.com", "root"), "${rule.name} fails", "because"),
        Mail("r/on_failure/4", ("root",), "x"),
        Forward("r/on_failure/5", "centre"),
        Emit(
            "r/on_failure/6",
            {"event.action": "alarm", "labels.n": 7, "labels.yes": True, "message": "of ${source.ip}"},
        ),
        Pause("r/on_failure/7", "${rule.name}"),
        Resume("r/on_failure/8", "other"),
        DeadLetter("r/on_failure/9", "the ${rule.name} box"),
    )
    assert problems.places["r/on_failure/2"].line == 3
    filled = [text for step in steps for text in texts_of(step)]
    assert filled == [
        *("a", "${source.ip}", "b", "${rule.name} fails", "because", "x", "alarm", "of ${source.ip}"),
        *("${rule.name}", "other", "the ${rule.name} box"),
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{rnu: [a]}", 'f:1:2: unknown key "rnu" in "do"; did you mean "run"?'),
        ("{run: [a], mail: root}", 'f:1:1: a step does one thing, and here are "run" and "mail"; write two'),
        ("{dead_letter: box}", 'f:1:15: "dead_letter": dead letters are the jobs that failed for good'),
        (
            "{stream: [a, '${source.ip}']}",
            'f:1:10: "stream": ${source.ip} cannot be filled in: this process is started once and then reads',
        ),
        ("{stream: [a], stdin: none}", 'f:1:15: "stdin": a stream gets its events there'),
        ("{stream: [a], lock: a b}", 'f:1:21: "lock": a lock\'s name of letters'),
        ("{mail: root}", 'f:1:1: the key "subject" is missing in "do"; say in a line'),
        ("{mail: [], subject: x}", 'f:1:8: "mail": the list is empty'),
        ("{mail: '${user.email}', subject: x}", 'f:1:8: "mail": an event must not choose who gets mail'),
        ("{mail: 'Ops <ops@example.com>', subject: x}", 'f:1:8: "mail": a bare mail address'),
        ("{mail: '-oQ/tmp', subject: x}", 'f:1:8: "mail": a bare mail address'),
        ('{mail: root, subject: "a\\nBcc: x"}', 'f:1:23: "subject": a subject of one line is wanted'),
        ("{mail: root, subject: 'of ${'}", "f:1:23: \"subject\": '${' is not closed"),
        ("{mail: root, subject: x, timeout: 5s}", 'f:1:26: unknown key "timeout" in "do"'),
        (
            "{forward: center}",
            'f:1:11: "forward": "center" is none of the configuration\'s `destinations`; did you mean',
        ),
        ("{forward: x}", "; there are archive, centre"),
        ("{emit: {}}", 'f:1:8: "emit": an event without fields says nothing'),
        ("{emit: {gateway.trust: local}}", "f:1:9: gateway.trust is the gateway's own to set"),
        ("{emit: {event.dataset: x}}", "f:1:9: event.dataset is the gateway's own to set"),
        ("{emit: {a b: x}}", 'f:1:9: "a b" cannot be a field\'s name'),
        ("{emit: {a: null}}", 'f:1:12: "a": null means nothing here'),
        ("{emit: {a: '${'}}", "f:1:12: \"a\": '${' is not closed"),
        ("{pause: A B}", 'f:1:9: "pause": a rule\'s name is wanted, or ${rule.name}'),
        ("{pause: '${source.ip}'}", 'f:1:9: "pause": a rule\'s name is wanted'),
        ("[{run: [a]}, text]", "f:1:14: a mapping (key: value) is wanted"),
    ],
)
def test_a_wrong_step_says_what_to_write(text: str, error: str) -> None:
    """One error each, with its place and advice."""
    _, problems = load(text)
    assert len(problems.errors) == 1
    assert error in str(problems.errors[0])


def test_a_job_goes_into_one_box() -> None:
    """A second box is an error; where destinations are not known, none is wrong."""
    _, problems = load("[{dead_letter: a}, {dead_letter: b}]", Part.ON_FAILURE)
    assert [str(error) for error in problems.errors] == ["f:1:21: a job goes into one box; this is the second"]
    root = parse("{forward: anywhere}", "f")
    assert root is not None
    assert Problems().attempt(root, StepReader("r", Part.DO, BUILTIN).read) == (Forward("r/do/1", "anywhere"),)


def test_a_lock_makes_concurrency_meaningless() -> None:
    """That is said, and the lock holds."""
    steps, problems = load("{run: [a], lock: x, concurrency: 3}")
    assert steps
    assert [str(warning) for warning in problems.warnings] == [
        'f:1:21: "concurrency" means nothing beside "lock": its tasks run one after the other'
    ]
