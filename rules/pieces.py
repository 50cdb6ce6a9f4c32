"""What an operator gives a name, and rules then use: lists of values, macros, which are conditions, and fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from parsers.errors import OperatorError, Place
from rules.condition import Condition, Network, Scalar
from rules.lists import Listed


@dataclass(frozen=True, slots=True)
class NamedList:
    """A list: `source.ip in $office`.

    Attributes:
        values: those that stand in the configuration or rule file.
        networks: the same; a list of them has no values.
        files: lists that stand in files of their own.
        wrong: it does not load, and that is noted where it stands.
        lost: why the file that it stands in cannot be read; it is wrong then, and noted nowhere else.
    """

    place: Place
    values: tuple[Scalar, ...] = ()
    networks: tuple[Network, ...] = ()
    files: tuple[Listed, ...] = ()
    wrong: bool = False
    lost: OperatorError | None = None


@dataclass(frozen=True, slots=True)
class Macro:
    """A condition that has a name: `$failed-login`.

    Attributes:
        condition: None: it does not load, and that is noted where it stands.
        circle: the names on the way from it back to itself, when it uses itself.
    """

    place: Place
    condition: Condition | None
    circle: str = ""


@dataclass(frozen=True, slots=True)
class Pieces:
    """The lists and macros that conditions may name, and the fields that senders really have.

    Those of a rule file hide those of the configuration that are called the same; each macro means what it meant
    where it was written.

    Attributes:
        fields: names that are right although they look like misspelt ones.
        used: where those stand that they use themselves.
    """

    lists: Mapping[str, NamedList] = field(default_factory=dict)
    macros: Mapping[str, Macro] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    used: frozenset[Place] = frozenset()

    def files(self) -> tuple[Listed, ...]:
        """Return the lists that stand in files which could be read, each once."""
        return tuple(dict.fromkeys(each for one in self.lists.values() if not one.wrong for each in one.files))

    def lost(self) -> dict[Listed, OperatorError]:
        """Return the lists that stand in files which cannot be read, and why not."""
        return {each: one.lost for one in self.lists.values() if one.lost for each in one.files}

    def unused(self, used: Collection[Place], hidden: Pieces | None = None) -> Iterator[OperatorError]:
        """Yield a warning about each that nothing uses.

        Args:
            used: where those stand that something uses.
            hidden: others, which are not to be looked at.
        """
        former = hidden or Pieces()
        for kind, pieces, others in (("list", self.lists, former.lists), ("macro", self.macros, former.macros)):
            for name, piece in pieces.items():
                if piece.place not in used and piece.place not in self.used and others.get(name) is not piece:
                    yield OperatorError(f"nothing uses the {kind} ${name}", piece.place)
