"""`gateway check`: what it finds, where it says that is, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, loading
from gateway.commands import check, main
from parsers.grammars import json_cee, sshd
from tests.gateway.online import run
from tests.made_certificates import SERVER, make

SOUND = """
- rule: sound
  match: {event.action: ssh-login, event.outcome: failure}
  do: {run: [echo, "${source.ip}"]}
  test:
    - {send: "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2", expect: {do: 1}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a configuration and one rule that is sound; a few grammars are enough."""
    monkeypatch.setattr(loading, "builtin_grammars", lambda: (sshd.GRAMMAR, json_cee.GRAMMAR))
    (tmp_path / "gateway.yaml").write_text("rules: [rules.yaml]\nsources: {here: {tcp: 1514}}\n")
    (tmp_path / "rules.yaml").write_text(SOUND)
    for file in tmp_path.iterdir():
        file.chmod(0o644)  # whatever the umask is
    return tmp_path


def found(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the report."""
    code = main(["check", str(folder), "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_a_sound_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is found, what there is is counted, and it is told where the gateway listens."""
    code, report = found(folder, capsys)
    assert (code, report["findings"]) == (0, [])
    assert (report["rules"], report["tests"], report["failed"], report["untested"]) == (1, 1, 0, 0)
    assert report["sources"] == ["here (tcp 127.0.0.1:1514)"]
    assert report["sieve"]["expressions"] > 0
    assert main(["check", str(folder / "gateway.yaml")]) == 0
    printed = capsys.readouterr().out
    assert "1 rule, 1 test: all passed" in printed
    assert printed.endswith(f"{folder}/gateway.yaml: fine\n")


def test_a_failed_test_is_an_error_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The place is the test's step."""
    (folder / "rules.yaml").write_text(SOUND.replace("do: 1", "do: 2"))
    code, report = found(folder, capsys)
    assert code == 1
    assert report["failed"] == 1
    (finding,) = report["findings"]
    assert (finding["kind"], finding["rule"], finding["line"]) == ("error", "sound", 6)
    assert "the test failed: expected `do` 2 time(s)" in finding["problem"]


def test_errors_of_rules_do_not_hide_the_other_rules(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that does not load is an error; the tests of the others run."""
    (folder / "rules.yaml").write_text(f"{SOUND}- {{rule: b, mtach: {{}}}}\n")
    assert main(["check", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert f'{folder}/rules.yaml:7:13: error: unknown key "mtach"; did you mean "match"?' in printed
    assert "1 rule, 1 test: all passed" in printed


def test_warnings_fail_only_when_strict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules that never fire, rules that need every message, programs and users that are not there."""
    (folder / "rules.yaml").write_text(
        """
- {rule: never, match: {event.action: ssh-logn}}
- {rule: always, match: {source.ip: {exists: false}}}
- {rule: cannot, match: {event.action: ssh-login}, do: {run: [no-such-program], user: no-such-user, cwd: /no-such}}
- {rule: path, match: {event.action: ssh-login}, do: {run: [/etc/passwd]}}
"""
    )
    code, report = found(folder, capsys)
    assert code == 0
    assert report["untested"] == 4
    problems = [(finding["kind"], finding["rule"], finding["problem"]) for finding in report["findings"]]
    for rule, words in (
        ("never", 'it can never fire: no grammar gives event.action the value ssh-logn; did you mean "ssh-login"?'),
        ("always", "every message has to be parsed because of this rule"),
        ("cannot", "cannot/do/1: there is no program no-such-program in PATH"),
        ("cannot", "cannot/do/1: there is no user no-such-user"),
        ("cannot", "cannot/do/1: the folder /no-such does not exist"),
        ("path", "path/do/1: /etc/passwd is no program; chmod +x it"),
    ):
        assert any(kind == "warning" and name == rule and words in problem for kind, name, problem in problems), words
    assert len(problems) == 6
    assert found(folder, capsys, "--strict")[0] == 1


def test_a_configuration_that_does_not_load(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every error is told; missing certificates come with the command that makes them, in the right folder."""
    (folder / "gateway.yaml").write_text(
        "sources:\n  s: {tls: 6514, certificate: c.pem, client_ca: ca.pem}\nlimts: {}\n"
    )
    assert main(["check", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert f"`gateway init {folder}` makes certificates and keys" in printed
    assert 'gateway.yaml:3:1: error: unknown key "limts"; did you mean "limits"?' in printed
    assert f"{folder}/gateway.yaml does not load: 3 errors" in printed


def test_a_configuration_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it probably is, is told."""
    (folder / "conf").mkdir()
    (folder / "gateway.yaml").rename(folder / "conf" / "gateway.yaml")
    monkeypatch.chdir(folder)
    assert main(["check"]) == 1
    assert "did you mean `gateway check conf/gateway.yaml`?" in capsys.readouterr().err
    for command in ("jobs", "open", "events"):
        assert main([command]) == 1
        assert "did you mean `--config conf/gateway.yaml`?" in capsys.readouterr().err
    assert main(["check", "nowhere.yaml"]) == 1
    assert "nowhere.yaml: this configuration does not exist; `gateway init DIR` makes one" in capsys.readouterr().err


def test_where_an_installed_configuration_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This folder's comes first, then the installed one; every command takes it, and where none is, both are named."""
    installed, elsewhere = folder / "etc" / "gateway.yaml", folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(check, "INSTALLED", installed)
    nowhere = f"there is no configuration, neither gateway.yaml here nor {installed}; name one with "
    advice = "; `gateway init DIR` makes one"
    assert f"{nowhere}`gateway check FILE`{advice}" in run("check").err
    nowhere += f"`--config FILE`{advice}"
    commands = (["jobs"], ["open"], ["events"], ["journal", "status"], ["account", "list"])
    assert [nowhere in run(*words).err for words in commands] == [True] * len(commands)
    installed.parent.mkdir()
    for file in (folder / "gateway.yaml", folder / "rules.yaml"):
        file.rename(installed.parent / file.name)
    assert f"{installed}: fine" in run("check").out
    assert "there are no accounts" in run("account", "list").out
    (elsewhere / "gateway.yaml").write_text("sources: {}")
    assert "\ngateway.yaml does not load" in run("check").out


def test_no_rules_is_worth_a_word(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing would ever happen."""
    (folder / "gateway.yaml").write_text("sources: {here: {tcp: 1514}}\n")
    code, report = found(folder, capsys)
    assert code == 0
    assert "nothing will ever happen" in report["findings"][0]["problem"]
    assert main(["check", str(folder)]) == 0


def test_nothing_is_left_behind(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cache that an administrator's check made would not be the gateway's to write."""
    before = sorted(folder.rglob("*"))
    found(folder, capsys)
    assert sorted(folder.rglob("*")) == before


def test_certificates_that_no_listener_could_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another's key, no key and an expired certificate are errors at the source, with the file's name."""
    now = clock.now()
    for name, days in (("good", (-1, 30)), ("other", (-1, 30)), ("old", (-9, -1))):
        _, key = make(now, usage=(SERVER,), days=days).write(folder, name)
        key.chmod(0o600)
    for files, words in (
        ("certificate: good.pem, key: good.key", None),
        ("certificate: good.pem, key: other.key", "other.key: this key does not belong to the certificate"),
        ("certificate: good.pem", 'the key "key" is missing, and'),
        ("certificate: old.pem, key: old.key", "old.pem: this certificate expired on"),
    ):
        (folder / "gateway.yaml").write_text(
            f"rules: [rules.yaml]\nsources: {{s: {{tls: 6514, {files}, client_ca: good.pem}}}}\n"
        )
        code, report = found(folder, capsys)
        problems = [(finding["kind"], finding["line"], finding["problem"]) for finding in report["findings"]]
        assert code == (words is not None)
        assert len(problems) == code, problems
        if words:
            assert problems[0][:2] == ("error", 2)
            assert words in problems[0][2]


def test_files_that_others_can_reach(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that others read, and files by which others could start processes, are warnings."""
    _, key = make(clock.now(), usage=(SERVER,)).write(folder, "s")
    (folder / "gateway.yaml").write_text(
        "rules: [rules.yaml]\nsources: {s: {tls: 6514, certificate: s.pem, key: s.key, client_ca: s.pem}}\n"
    )
    for file, mode in ((key, 0o640), (folder / "gateway.yaml", 0o664), (folder / "rules.yaml", 0o646)):
        file.chmod(mode)
    code, report = found(folder, capsys)
    assert code == 0
    assert [(Path(finding["file"]).name, finding["kind"]) for finding in report["findings"]] == [
        ("s.key", "warning"),
        ("gateway.yaml", "warning"),
        ("rules.yaml", "warning"),
    ]


def test_a_rule_file_is_no_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said which file to check, and a pattern that finds no file is told of."""
    assert main(["check", str(folder / "rules.yaml")]) == 1
    assert "this is a rule file; check the gateway.yaml that names it" in capsys.readouterr().out
    (folder / "gateway.yaml").write_text("rules: [rules.yaml, 'more/*.yml']\nsources: {here: {tcp: 1514}}\n")
    code, report = found(folder, capsys)
    assert code == 0
    assert report["findings"][0]["problem"] == f'"rules": no file matches {folder}/more/*.yml'


def test_all_parts_of_a_rule_are_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs of undo, of failure and for mail; what rules do to each other is known of all of them."""
    (folder / "gateway.yaml").write_text(
        "rules: [rules.yaml]\nsources: {here: {tcp: 1514}}\nmail: {sendmail: /no/sendmail}\n"
    )
    (folder / "rules.yaml").write_text(
        """
- rule: parts
  match: {event.action: ssh-login}
  do: {emit: {event.action: alarm}}
  undo: {after: 1m, run: [no-such-undo]}
  on_failure: [{mail: root, subject: x}, {stream: [no-such-stream]}, {pause: nobody}]
- rule: hears
  match: {event.action: alarm}
  do: {pause: hears}
"""
    )
    code, report = found(folder, capsys)
    assert code == 1
    ((problem, line),) = [(one["problem"], one["line"]) for one in report["findings"] if one["kind"] == "error"]
    assert (problem, line) == ('there is no rule "nobody"; the rule parts is off', 6)
    (folder / "rules.yaml").write_text((folder / "rules.yaml").read_text().replace("pause: nobody", "pause: hears"))
    code, report = found(folder, capsys)
    assert code == 0
    problems = [one["problem"] for one in report["findings"]]
    for words in (
        "parts/undo/1: there is no program no-such-undo",
        "parts/on_failure/2: there is no program no-such-stream",
        "parts/on_failure/1: there is no file /no/sendmail; install one, or set `mail: {smtp: HOST}`",
        "hears/do/1 pauses the rule itself",
    ):
        assert any(problem.startswith(words) for problem in problems), (words, problems)
    assert len(problems) == 4


COVERED = """
- rule: half
  match: {event.action: ssh-login, event.outcome: failure}
  do: {run: [echo, "${source.ip}"]}
  on_failure: {mail: root, subject: x}
  test:
    - {send: "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2", expect: {do: 1}}
    - {send: "x: y", expect: {do: 0}}
- rule: untested
  match: {event.action: ssh-login}
"""


def test_coverage_is_told_when_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Per rule and in all, with what no test reaches; the exit code stays what it is without."""
    (folder / "rules.yaml").write_text(COVERED)
    assert "coverage" not in found(folder, capsys)[1]
    code, report = found(folder, capsys, "--coverage")
    assert code == 0
    coverage = report["coverage"]
    assert (coverage["reached"], coverage["of"], coverage["percent"]) == (5, 9, 55.5)
    half, untested = coverage["rules"]
    assert (half["rule"], half["line"], half["reached"], half["of"], half["tested"]) == ("half", 2, 5, 6, True)
    assert half["missing"] == [{"what": "on_failure/1", "lacks": "never done"}]
    assert (untested["rule"], untested["percent"], untested["tested"]) == ("untested", 0.0, False)
    assert main(["check", str(folder), "--coverage"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for row in (
        ["half", "5/6", "83.3", "%"],
        ["never", "done:", "on_failure/1"],
        ["untested", "0/3", "0.0", "%", "no", "tests"],
        ["all", "rules", "5/9", "55.5", "%"],
    ):
        assert row in lines, row


def test_tests_see_the_rules_that_a_rule_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of all files of the configuration."""
    (folder / "rules.yaml").write_text(
        """
- rule: bans
  match: {event.action: ssh-login, event.outcome: failure}
  when: {count: 1, within: 1m, by: [source.ip]}
  undo: {after: 1h, do: []}
"""
    )
    (folder / "more.yaml").write_text(
        """
- rule: in-spite
  match: {event.action: ssh-login, event.outcome: success}
  if_open: bans
  test:
    - send:
        - "sshd[7]: Failed password for root from 192.0.2.7 port 4000 ssh2"
        - "sshd[7]: Accepted password for root from 192.0.2.7 port 4000 ssh2"
      expect: {do: 1}
"""
    )
    for file in folder.glob("*.yaml"):
        file.chmod(0o644)
    (folder / "gateway.yaml").write_text("rules: [more.yaml, rules.yaml]\nsources: {here: {tcp: 1514}}\n")
    code, report = found(folder, capsys)
    assert (code, report["tests"], report["failed"]) == (0, 1, 0), report["findings"]
