"""Loading: at the start a broken rule is off and the rest runs; on a reload any error refuses the whole."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import gateway
from gateway.config import ConfigErrors
from gateway.loading import KEPT_SIEVES, load_again, load_all, load_tasks, make_stages
from gateway.runner.tasks import tasks_from_json, tasks_json
from rules.load import Defaults, load_rules

GOOD = "- {rule: good, match: {message: {contains: knock}}, do: {run: [/bin/true]}}\n"
PARTS = """
- rule: parts
  match: {message: {contains: parts}}
  do: [{run: [/bin/true]}, {stream: [/bin/cat]}]
  undo: {after: 1m, run: [/bin/true]}
  on_failure: [{mail: root, subject: failed}, {dead_letter: box}]
"""
BROKEN = "- {rule: torn, match: {message: {regex: '('}}, do: {run: [/bin/true]}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a folder of rules, one of which is good."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "good.yaml").write_text(GOOD)
    path = tmp_path / "gateway.yaml"
    path.write_text("sources: {tcp: {tcp: 0}}\nrules: [rules/*.yaml]\n")
    return path


def test_the_start_takes_what_loads(config: Path) -> None:
    """A rule or file that is broken is off and named with its place; the others run, also those of the same file."""
    (config.parent / "rules" / "mixed.yaml").write_text(GOOD.replace("good", "other") + BROKEN)
    (config.parent / "rules" / "torn.yaml").write_text("- {rule: [\n")
    loaded = load_all(config)
    assert [rule.name for rule in loaded.rules] == ["good", "other"]
    assert len(loaded.errors) == 2
    assert "mixed.yaml:2:" in str(loaded.errors[0])
    assert "torn.yaml:2:" in str(loaded.errors[1])


def test_a_reload_takes_all_or_nothing(config: Path) -> None:
    """One broken rule refuses the reload, and every problem has its line; mended, all of it is taken."""
    torn = config.parent / "rules" / "torn.yaml"
    torn.write_text(BROKEN + BROKEN.replace("torn", "more"))
    with pytest.raises(ConfigErrors) as caught:
        load_again(config)
    assert [str(error).split(": ")[0] for error in caught.value.errors] == [f"{torn}:1:42", f"{torn}:2:42"]
    torn.write_text(BROKEN.replace("'('", "a"))
    assert len(load_again(config).rules) == 2


def test_two_rules_of_one_name(config: Path) -> None:
    """A name that two files have is an error like any other."""
    (config.parent / "rules" / "twice.yaml").write_text(GOOD)
    assert "there already" in str(load_all(config).errors[0])
    with pytest.raises(ConfigErrors):
        load_again(config)


def test_the_runner_reads_the_same_tasks(config: Path) -> None:
    """The runner's copy has a task for each process that a rule may start; mail is one where a program takes it."""
    (config.parent / "rules" / "torn.yaml").write_text(BROKEN)
    (config.parent / "rules" / "parts.yaml").write_text(PARTS)
    names = ["good/do/1", "parts/do/1", "parts/do/2", "parts/undo/1", "parts/on_failure/1"]
    tasks = load_tasks(config)
    assert list(tasks) == names
    assert tasks["parts/do/2"].stream
    mail = tasks["parts/on_failure/1"]
    assert mail.argv == ("/usr/sbin/sendmail", "-i", "--", "root")
    assert mail.mail is not None
    config.write_text(config.read_text() + "mail: {smtp: 'mail.example.com:25'}\n")
    assert list(load_tasks(config)) == names[:-1]


def test_a_step_that_decrypts_is_a_task_of_our_own_program(config: Path) -> None:
    """Keys stand beside the configuration; one that is missing is said where the step stands. No dollar sign fills."""
    text = """
- rule: d
  match: {message: {contains: x}}
  do:
    - {decrypt: {key: keys/$a.age, passphrase_file: /etc/pw}, user: importer, timeout: 5m, lock: one}
"""
    (config.parent / "rules" / "decrypts.yaml").write_text(text)
    task = load_tasks(config)["d/do/1"]
    program = str(Path(gateway.__file__).with_name("decrypt.py"))
    key = f"{config.parent}/keys/$$a.age"
    options = ("--key", key, "--passphrase-file", "/etc/pw", "--", "${file.path}")
    assert task.argv == (sys.executable, "-I", program, *options)
    assert (task.user, task.timeout, task.lock, task.stdin, task.decrypts) == ("importer", 300.0, "one", False, True)
    assert tasks_from_json(tasks_json({"d/do/1": task})) == {"d/do/1": task}
    missing = [str(warning) for warning in load_all(config).warnings]
    place = config.parent / "rules" / "decrypts.yaml"
    assert f"{place}:5:8: the key {config.parent}/keys/$a.age does not exist" in missing
    (config.parent / "keys").mkdir()
    (config.parent / "keys" / "$a.age").touch()
    assert [warning for warning in map(str, load_all(config).warnings) if "$a.age" in warning] == []


def test_destinations_are_known(config: Path) -> None:
    """A rule that forwards to a place that the configuration does not name is off."""
    forwards = "- {rule: f, match: {message: {contains: x}}, do: {forward: centre}}\n"
    (config.parent / "rules" / "forwards.yaml").write_text(forwards)
    assert '"centre" is none of the configuration\'s `destinations`' in str(load_all(config).errors[0])
    config.write_text(config.read_text() + "destinations: {centre: {tls: 'syslog.example.com:6514'}}\n")
    assert not load_all(config).errors


def test_a_grammar_that_cannot_be_loaded(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is missing, fails, or holds no grammar is an error that names it, at the start as well."""
    monkeypatch.syspath_prepend(str(config.parent))
    (config.parent / "own_empty.py").write_text("")
    (config.parent / "own_wrong.py").write_text("GRAMMAR = 7\n")
    (config.parent / "own_fails.py").write_text("raise RuntimeError('no')\n")
    names = ["own_missing", "own_empty", "own_wrong", "own_fails"]
    config.write_text(config.read_text() + f"grammars: [{', '.join(names)}]\n")
    with pytest.raises(ConfigErrors) as caught:
        load_all(config)
    assert len(caught.value.errors) == len(names)
    for name in names:
        assert name in str(caught.value)
        sys.modules.pop(name, None)


def test_the_compiled_sieve_is_kept(config: Path) -> None:
    """It is compiled once for the same rules; what cannot be read of the cache, or kept in it, costs only time."""
    loaded = load_all(config)
    assert make_stages(loaded).sieve.was_compiled
    assert not make_stages(loaded).sieve.was_compiled
    (kept,) = (config.parent / "state" / "sieve").iterdir()
    kept.write_bytes(b"damaged")
    assert make_stages(loaded).sieve.was_compiled
    assert not make_stages(loaded).sieve.was_compiled
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("no folder")
    assert make_stages(loaded).sieve.was_compiled
    assert make_stages(loaded, owner=False).sieve.was_compiled


def test_whoever_does_not_own_the_state_makes_no_cache(config: Path) -> None:
    """A check compiles and leaves nothing behind; where the gateway has its cache, the check uses it."""
    loaded = load_all(config)
    assert make_stages(loaded, owner=False).sieve.was_compiled
    assert not (config.parent / "state" / "sieve").exists()
    make_stages(loaded)
    assert not make_stages(loaded, owner=False).sieve.was_compiled


def test_the_cache_does_not_grow(config: Path) -> None:
    """Of the compiled sieves the newest few are kept."""
    loaded = load_all(config)
    for number in range(KEPT_SIEVES + 2):
        rules = load_rules(GOOD.replace("knock", f"knocking{number}"), "good.yaml", Defaults()).rules
        make_stages(replace(loaded, rules=rules))
    assert len(list((config.parent / "state" / "sieve").iterdir())) == KEPT_SIEVES


def test_a_sieve_that_misses_matches_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Hyperscan that is not to be relied on costs speed only, and whoever installed it is told."""
    (tmp_path / "gateway.yaml").write_text("state: state\nsources: {t: {tcp: 0}}\n")
    monkeypatch.setattr("gateway.loading.is_sound", lambda: False)
    assert any("misses matches" in str(warning) for warning in load_all(tmp_path / "gateway.yaml").warnings)
