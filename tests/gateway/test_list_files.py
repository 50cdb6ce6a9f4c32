"""Lists in files: read with the configuration, and again when the files change, once they rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway import clock
from gateway.config import ConfigErrors, load
from gateway.list_files import LOOK, MAX_UNREST, ListFiles
from gateway.loading import load_again, load_all, load_tasks
from gateway.notices.jobs import GatewayFault
from gateway.notices.rules import ListEmptied, ListFound, ListKept, ListRead
from rules.lists import Listed
from tests.gateway.drop_stand_ins import InlineReactor, InlineThreads
from tests.gateway.kept import fill
from tests.gateway.online import run
from tests.gateway.told import Told

SOURCES = "sources: {syslog: {tcp: 1514}}\n"


class Watch:
    """A service that watches one list, and what it told."""

    def __init__(self, folder: Path, text: str = "alice\n") -> None:
        self.file = folder / "staff.txt"
        self.file.write_text(text)
        self.count = 0
        config = folder / "gateway.yaml"
        config.write_text(SOURCES + "lists: {staff: {file: staff.txt}}")
        (self.listed,) = load(config).pieces.files()
        self.told, self.clock = Told(), InlineReactor()
        self.reloads = 0
        self.service = ListFiles(self.clock, InlineThreads(), self.told, self.reload)
        self.service.follow([self.listed])
        self.service.startService()

    def reload(self) -> None:
        """Count how often it is asked for."""
        self.reloads += 1

    def write(self, text: str) -> None:
        """Change the file, so that its time changes however coarse the clock of the file system is."""
        self.file.write_text(text)
        self.count += 1
        os.utime(self.file, (self.count, self.count))

    def looks(self, count: int = 1) -> None:
        """Let it look so many times."""
        for _ in range(count):
            self.clock.advance(LOOK)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A list of one entry."""
    return Watch(tmp_path)


def test_a_change_counts_when_the_file_rests(watch: Watch) -> None:
    """The first look that finds it changed waits for the next; then the list holds what the file does."""
    watch.looks(3)
    assert not watch.told
    watch.write("alice\nbob\n")
    watch.looks()
    assert not watch.listed.holds("bob")
    watch.looks()
    assert watch.listed.holds("bob")
    assert watch.told == [ListRead("staff", 2, str(watch.file))]
    watch.looks(3)
    assert len(watch.told) == 1


def test_a_change_before_the_first_look_is_seen(watch: Watch) -> None:
    """What is written between the reading of the configuration and the first look is not lost."""
    watch.write("bob\n")
    watch.looks(2)
    assert watch.listed.holds("bob")


def test_a_file_that_never_rests_is_read_all_the_same(watch: Watch) -> None:
    """It is read now and then."""
    for number in range(MAX_UNREST + 1):
        watch.write(f"user{number}\n")
        watch.looks()
    assert watch.listed.holds(f"user{MAX_UNREST}")


def test_a_wrong_line_leaves_the_list_and_is_said_once(watch: Watch) -> None:
    """File and line are named; when it is right again, it is taken."""
    watch.write("10.0.0.0/8\nweb1\n")
    watch.looks(5)
    (kept,) = watch.told
    assert isinstance(kept, ListKept)
    assert str(kept) == (
        f'the list staff stays as it was, with 1 line: {watch.file}:2:1: "web1" is no network, and "10.0.0.0/8" in the '
        "same list is one; make two lists"
    )
    assert watch.listed.holds("alice")
    watch.write("10.0.0.0/8\n192.0.2.7\n")
    watch.looks(2)
    assert watch.listed.holds("10.1.2.3")
    assert not watch.listed.holds("alice")
    assert watch.told[1:] == [ListRead("staff", 2, str(watch.file))]


def test_a_file_that_is_gone_leaves_the_list(watch: Watch) -> None:
    """That is said once; so is that the file is back, also where it is the same."""
    text = watch.file.read_text()
    watch.file.unlink()
    watch.looks(5)
    (kept,) = watch.told
    assert isinstance(kept, ListKept)
    assert kept.problem == f"{watch.file}: it does not exist"
    watch.write(text)
    watch.looks(3)
    assert watch.told[1:] == [ListRead("staff", 1, str(watch.file))]
    assert watch.listed.holds("alice")


def test_an_emptied_file_is_taken_at_its_word(watch: Watch) -> None:
    """With a warning."""
    watch.write("# nobody\n")
    watch.looks(2)
    assert watch.told == [ListEmptied("staff", str(watch.file))]
    assert not watch.listed.holds("alice")


def test_what_no_rule_names_any_more_is_not_watched(watch: Watch) -> None:
    """After a reload the lists of the new configuration are watched, and those of the old are not."""
    watch.service.follow([])
    watch.write("bob\n")
    watch.looks(4)
    assert not watch.listed.holds("bob")
    watch.service.stopService()
    assert not watch.clock.getDelayedCalls()
    watch.service.stopService()


def test_a_fault_of_ours_does_not_end_the_looking(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and the next look comes."""
    with monkeypatch.context() as patch:
        patch.setattr("gateway.list_files.lines_of", lambda *_: int("x"))
        watch.write("bob\n")
        watch.looks(2)
    assert watch.told.of(GatewayFault)
    watch.write("bob\ncarol\n")
    watch.looks(2)
    assert watch.listed.holds("carol")


def config(folder: Path, text: str, rules: str = "[]") -> Path:
    """Write a configuration with one rule file."""
    path = folder / "gateway.yaml"
    path.write_text(f"{SOURCES}rules: [r.yaml]\n{text}")
    (folder / "r.yaml").write_text(rules)
    return path


def test_lists_and_macros_of_the_configuration_reach_the_rules(tmp_path: Path) -> None:
    """Those of a rule file stand beside the configuration too, for a list's path is that of its folder."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "staff.txt").write_text("alice\n")
    path = config(
        tmp_path,
        "lists: {office: [10.0.0.0/8], staff: {file: lists/staff.txt}}\nmacros: {here: source.ip in $office}",
        "lists: {mine: {file: lists/staff.txt}}\n"
        "rules: [{rule: a, match: $here}, {rule: b, match: {user.name: [$staff, $mine]}}]\n",
    )
    loaded = load_all(path)
    assert not loaded.errors
    assert not loaded.warnings
    assert [(one.name, one.path) for one in loaded.lists] == [
        ("staff", str(tmp_path / "lists" / "staff.txt")),
        ("mine", str(tmp_path / "lists" / "staff.txt")),
    ]


@pytest.mark.parametrize(
    ("of_all", "of_rules", "place"),
    [
        ("lists: {a: {file: gone.txt}}", "{}", "gateway.yaml:3:19"),
        ("", "{a: {file: gone.txt}}", "r.yaml:1:19"),
    ],
)
def test_a_list_that_is_not_there_turns_off_what_uses_it(
    tmp_path: Path, of_all: str, of_rules: str, place: str
) -> None:
    """The rest loads; a gateway that runs refuses such a reload."""
    rules = "rules: [{rule: r, match: {}, unless: user.name in $a}, {rule: s, match: {}}]"
    path = config(tmp_path, of_all, f"lists: {of_rules}\n{rules}")
    loaded = load_all(path)
    assert [rule.name for rule in loaded.rules] == ["s"]
    (error,) = loaded.errors
    assert str(error).endswith(f'{place}: "a": {tmp_path}/gone.txt does not exist')
    ((listed, same),) = loaded.lost.items()
    assert (listed.path, same) == (str(tmp_path / "gone.txt"), error)
    assert loaded.lists == ()
    assert ["off as well, for the list $a is wrong" in str(warning) for warning in loaded.warnings] == [True]
    with pytest.raises(ConfigErrors) as caught:
        load_again(path)
    assert str(caught.value) == str(error)
    (tmp_path / "gone.txt").write_text("x\n")
    assert len(load_again(path).rules) == 2


def test_what_was_lost_comes_back_with_a_reload(watch: Watch) -> None:
    """It is asked for once all that was lost can be read; that it is wrong in another way meanwhile is said."""
    one, other = (watch.file.with_name(name) for name in ("one", "other"))
    watch.service.follow([watch.listed], [Listed("a", str(one)), Listed("b", str(other))])
    watch.looks(5)
    assert not watch.told  # who made the service follow them has said so
    one.write_text("10.0.0.0/8\nx\n")
    watch.looks(4)
    (lost,) = watch.told
    assert str(lost).startswith(f"the list a cannot be read, and what uses it is off until it can: {one}:2:1: ")
    one.write_text("x\n")
    watch.looks(2)
    assert watch.told[1:] == [ListFound("a", 1, str(one))]
    assert watch.reloads == 0
    other.write_text("")
    watch.looks(5)
    assert watch.told[2:] == [ListFound("b", 0, str(other))]
    assert watch.reloads == 1


def test_what_is_back_at_the_first_look_comes_on(watch: Watch) -> None:
    """The file came between the reading of the configuration and the first look; other lists ask for nothing."""
    watch.service.follow([watch.listed], [Listed("a", str(watch.file))])
    watch.write("bob\n")
    watch.looks(5)
    assert [type(notice) for notice in watch.told] == [ListRead, ListFound]
    assert watch.reloads == 1


def test_what_no_rule_uses_is_a_warning(tmp_path: Path) -> None:
    """Only where all rules load: else one that is off may be the one that uses it."""
    text = "lists: {a: [x], b: [y]}\nmacros: {c: user.name in $b}"
    loaded = load_all(config(tmp_path, text, "[{rule: r, match: $c}]"))
    assert [str(doubt).rpartition(": ")[2] for doubt in loaded.warnings] == ["nothing uses the list $a"]
    assert not load_all(config(tmp_path, text, "[{rule: r, match: $d}]")).warnings


def test_defaults_of_the_configuration_are_those_of_all_rules(tmp_path: Path) -> None:
    """What a rule file and a rule say themselves goes before; what is wrong is the configuration's error."""
    rule = "{rule: r, match: {}, do: {run: [x]}}"
    path = config(tmp_path, "defaults: {retry: {times: 4}, busy: drop}", f"defaults: {{busy: queue}}\nrules: [{rule}]")
    (loaded,) = load_all(path).rules
    assert loaded.retry is not None
    assert (loaded.retry.times, loaded.busy.value) == (4, "queue")
    with pytest.raises(ConfigErrors, match='unknown key "tmes" in "retry"'):
        load(config(tmp_path, "defaults: {retry: {tmes: 4}}"))


def test_a_rule_file_given_as_the_configuration_is_recognised(tmp_path: Path) -> None:
    """Both forms of a rule file."""
    for text in ("[{rule: r, match: {}}]", "lists: {}\nrules: [{rule: r, match: {}}]"):
        path = tmp_path / "r.yaml"
        path.write_text(text)
        with pytest.raises(ConfigErrors, match="this is a rule file"):
            load(path)


def test_grammars_reach_the_rules(tmp_path: Path) -> None:
    """A rule may take text apart with any that the gateway has; the runner finds the same rules right."""
    rules = "[{rule: r, match: {}, capture: {field: log.message, grammar: sshd}, do: {run: [/bin/true]}}]"
    path = config(tmp_path, "", rules)
    assert not load_all(path).errors
    assert list(load_tasks(path)) == ["r/do/1"]
    wrong = config(tmp_path, "", rules.replace("sshd", "shd"))
    assert 'there is no grammar "shd"; did you mean "sshd"?' in str(load_all(wrong).errors[0])
    assert not load_tasks(wrong)


def test_listed_is_a_value(tmp_path: Path) -> None:
    """Reading the same configuration twice gives equal rules."""
    (tmp_path / "l.txt").write_text("x\n")
    path = config(tmp_path, "lists: {l: {file: l.txt}}", "[{rule: r, match: {a: {in: $l}}}]")
    first, second = load_all(path), load_all(path)
    assert first.rules == second.rules
    assert isinstance(first.lists[0], Listed)
    assert first.lists[0] is not second.lists[0]


def test_commands_go_on_without_a_list(tmp_path: Path) -> None:
    """Those that look inside warn of it, for programs too; a check says that it is an error."""
    rules = "[{rule: r, match: {user.name: $a}}, {rule: s, match: {process.name: sshd}}]"
    path = str(config(tmp_path, "lists: {a: {file: gone.txt}}", rules))
    fill(tmp_path / "state" / "journal", clock.now())
    problem = f'{path}:3:19: "a": {tmp_path}/gone.txt does not exist'
    for words in (["open", "--json"], ["jobs", "--json"], ["journal", "status"]):
        ran = run(*words, "--config", path)
        assert (ran.code, ran.err) == (0, f"warning: {problem}; the rules that use the list are off\n")
        assert ran.out
    explained = run("explain", "--config", path, "sshd[7]: x")
    assert "1 fault in the rules: what is wrong is off; see `gateway check`" in explained.out + explained.err
    checked = run("check", path)
    assert checked.code == 1
    assert f'gateway.yaml:3:19: error: "a": {tmp_path}/gone.txt does not exist' in checked.out
