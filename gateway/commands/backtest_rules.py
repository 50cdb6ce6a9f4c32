"""Which rules a backtest runs: a configuration's, those of rule files alone, or the library's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.commands.check import USUAL
from gateway.commands.explain import load_or_library
from parsers.errors import OperatorError, Place

if TYPE_CHECKING:
    from gateway.loading import Loaded
    from gateway.pipeline import Stages


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rules, ready to be run once.

    Attributes:
        name: what they are called where there are two.
        notes: what is to be said about them, for the one who wrote them.
    """

    name: str
    stages: Stages
    notes: tuple[str, ...]


def rules_of(files: Sequence[Path] | None, config: Path | None) -> Chosen:
    """Load rules.

    Args:
        files: rule files, folders of them, or one configuration or folder that has one; None: there are none.
        config: the configuration; None: the usual one, or the library where there is none.

    Raises:
        OperatorError: what is named is not there, does not load, or holds no rule.
    """
    from gateway.loading import make_stages

    if files is None:
        loaded, notes = load_or_library(config)
        name = str(loaded.config.path) if loaded.config.path != USUAL or USUAL.exists() else "the library"
    elif config is not None:
        raise OperatorError("gateway backtest: give --rules or --config, not both: --rules leaves a configuration out")
    elif len(files) == 1 and (found := _configuration_at(files[0])) is not None:
        loaded, notes = load_or_library(found)
        name = str(files[0])
    else:
        loaded = _from_files([one for file in files for one in _rule_files(file)])
        name = ", ".join(map(str, files))
        notes = [f"{error}; it is off" for error in loaded.errors]
    if not loaded.rules:
        raise OperatorError("\n".join([*notes, f"gateway backtest: there is no rule in {name}"]))
    return Chosen(name, make_stages(loaded, owner=False), tuple(notes))


def _configuration_at(path: Path) -> Path | None:
    """Return the configuration that a path means; None: it is of rules alone."""
    file = path / USUAL.name if path.is_dir() else path
    return file if file.exists() and _is_configuration(file) else None


def _is_configuration(path: Path) -> bool:
    """Tell whether a file is a configuration, which names its sources, as no rule file does."""
    from gateway.config import read_text
    from rules.strict_yaml import MappingNode, parse

    try:
        root = parse(read_text(path, Place(str(path))), str(path))
    except OperatorError:
        return False  # whoever loads it says what is wrong
    return isinstance(root, MappingNode) and any(entry.key == "sources" for entry in root.entries)


def _rule_files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        inside = sorted(one for one in path.iterdir() if one.suffix in (".yaml", ".yml") and one.is_file())
        if not inside:
            raise OperatorError(f"gateway backtest: there is no rule file (*.yaml) in the folder {path}")
        yield from inside
    elif _is_configuration(path):
        raise OperatorError(
            f"gateway backtest: --rules: {path} is a configuration; name it with --config, or with --against alone"
        )
    else:
        yield path


def _from_files(files: Iterable[Path]) -> Loaded:
    """Load rule files without a configuration.

    Raises:
        OperatorError: a file cannot be read.
    """
    from gateway.config import Config, read_rules, read_text
    from gateway.loading import Loaded
    from parsers.parse import Parser, builtin_grammars
    from rules.merge import merge

    files = tuple(files)
    for file in files:
        read_text(file, Place(str(file)))
    config = Config(USUAL, Path(), Path("state"), (), rules=files)
    parser = Parser(builtin_grammars())
    loaded = read_rules(config, parser.grammars)
    merged = merge(loaded)
    errors = (*(error for one in loaded for error in one.errors), *merged.errors)
    return Loaded(config, parser, merged.rules, errors, merged.warnings)
