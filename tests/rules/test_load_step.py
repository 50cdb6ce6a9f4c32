"""Steps of all kinds out of YAML, each where it may stand."""

from __future__ import annotations

import pytest

from rules.job import Part
from rules.load import BUILTIN
from rules.load_step import StepReader
from rules.schema import Problems
from rules.step import (
    DeadLetter,
    Decrypt,
    Delete,
    Emit,
    Forward,
    Mail,
    Move,
    Pause,
    Resume,
    Step,
    Task,
    kind_of,
    texts_of,
)
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
        ("{run: [a], mail: root}", 'f:1:12: a step does one thing, and here are "run" and "mail"; write two'),
        ("{dead_letter: box}", "f:1:2: dead letters are the jobs that failed for good"),
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
        ("{mail: root, subject: 'of ${'}", "f:1:27: \"subject\": '${' is not closed"),
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
        ("{emit: {a: '${'}}", "f:1:13: \"a\": '${' is not closed"),
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


def test_steps_about_files() -> None:
    """A key and how the program runs; a file to delete or to move, and where to."""
    steps, problems = load(
        """
    - {decrypt: {key: keys/acme.age}, user: importer, timeout: 5m, lock: one}
    - {decrypt: {passphrase_file: /etc/pw, key: k, file: "${file.decrypted.path}"}, user: importer}
    - {run: [import, "${file.decrypted.path}"], user: importer}
    - {mail: root, subject: "${file.decrypted.name}"}
    - {delete: "${file.path}"}
    - {move: "/in/${file.name}", to: processed/today}
    """
    )
    assert not problems.errors
    assert not problems.warnings
    assert steps is not None
    runs = Task("r/do/1", (), user="importer", timeout=300.0, lock="one", stdin=False, decrypts=True)
    second = Task("r/do/2", (), user="importer", stdin=False, decrypts=True)
    assert steps[0] == Decrypt("r/do/1", runs, "keys/acme.age")
    assert steps[1] == Decrypt("r/do/2", second, "k", "/etc/pw", "${file.decrypted.path}")
    assert steps[4:] == (Delete("r/do/5", "${file.path}"), Move("r/do/6", "/in/${file.name}", "processed/today"))
    assert [text for step in (*steps[:2], *steps[4:]) for text in texts_of(step)] == [
        *("${file.path}", "${file.decrypted.path}", "${file.path}", "/in/${file.name}")
    ]
    assert [kind_of(step) for step in steps] == ["decrypt", "decrypt", "run", "mail", "delete", "move"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{decrypt: keys/acme.age}", "{decrypt: {key: keys/acme.age}}"),
        ("{decrypt: {}}", '"key" is missing'),
        ('{decrypt: {key: "${user.name}"}}', "an event must not choose this"),
        ("{decrypt: {key: k}, stdin: event}", '"stdin" is not for this step'),
        ("{decrypt: {key: k}, cwd: /tmp}", '"cwd" is not for this step'),
        ("{decrypt: {key: k, file: a.age}}", "no absolute path"),
        ("{decrypt: {key: k, kez: 1}}", "kez"),
        ("{delete: file}", '"${file.path}"'),
        ('{delete: "${file.path}", to: x}', '"to"'),
        ('{move: "${file.path}"}', '"to" is missing'),
        ('{move: "${file.path}", to: "${user.name}"}', "an event must not choose this"),
        ('{move: "${file.path}", to: ../x}', "absolute path"),
        ('{run: [a, "${file.decrypted.path}"]}', "only after a step that decrypts"),
        ('[{mail: root, subject: "${file.decrypted.name}"}, {decrypt: {key: k}}]', "only after a step that decrypts"),
        ('{decrypt: {key: k, file: "${file.decrypted.path}"}}', "only after a step that decrypts"),
    ],
)
def test_wrong_steps_about_files(text: str, error: str) -> None:
    """Each error says what to write instead, at its place."""
    _, problems = load(text)
    assert any(error in str(one) and str(one).startswith("f:1:") for one in problems.errors), problems.errors


@pytest.mark.parametrize(
    ("decrypts", "runs", "warned"),
    [
        ("importer", "importer", False),
        ("importer", "root", False),
        ("importer", None, False),
        ("importer", "other", True),
        (None, "other", True),
        (None, None, False),
    ],
)
def test_another_user_cannot_read_it(decrypts: str | None, runs: str | None, *, warned: bool) -> None:
    """A decrypted file is private to the user whose step has made it, and root reads everything."""
    users = [f", user: {user}" if user else "" for user in (decrypts, runs)]
    _, problems = load(f'[{{decrypt: {{key: k}}{users[0]}}}, {{run: [a, "${{file.decrypted.path}}"]{users[1]}}}]')
    assert bool(problems.warnings) is warned
    assert not problems.errors


@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        ('{decrypt: {key: k}}, {delete: "${file.path}"}, {run: [a]}', True),
        ('{move: "${file.path}", to: done}, {decrypt: {key: k}}', True),
        ('{decrypt: {key: k}}, {run: [a]}, {delete: "${file.path}"}', False),
        ('{move: "${file.path}", to: done}, {run: [a]}', False),
    ],
)
def test_a_file_that_is_decrypted_goes_last(steps: str, *, warned: bool) -> None:
    """A job that failed and is done again begins with decrypting, and would not find it."""
    _, problems = load(f"[{steps}]")
    assert bool(problems.warnings) is warned
    assert not problems.errors
