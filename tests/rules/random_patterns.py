"""Random regular expressions of all kinds, each with a text that it probably matches."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

ASCII = "abfiIkKsSzZ019 .-_:=[]{}\"'\\/@\t\n\r\v\f\0\x1c\x7f"
OTHERS = (
    "\x80\x85\xa0\xdf\u1e9e\xe9\xc9\xfc\xdc\u0130\u0131\u017f\u212a\u212b\xb5\u03bc\u03a3\u03c2\u03c3\u0663\uff10\u2028"
    "\ufb05\ufb06\ufeff\U0001f600\U00010400\U00010428"
)
"""Letters that change in odd ways with their case, digits, blanks, the byte order mark, what needs four octets."""
BROKEN = "\udc80\udcc3\udcff"
"""What stands for octets that are no UTF-8."""
CHARACTERS = ASCII + OTHERS + BROKEN

KIN = (
    *("iI\u0130\u0131", "kK\u212a", "sS\u017f", "\xb5\u03bc", "\u03a3\u03c2\u03c3", "\xdf\u1e9e", "\ufb05\ufb06"),
    *("\xe9\xc9", "\xfc\xdc", "\U00010400\U00010428"),
)
"""Characters that are one when case is ignored, or nearly so."""

FLAGS = (0, 0, re.IGNORECASE, re.DOTALL, re.MULTILINE, re.ASCII, re.VERBOSE)


def round_trip(text: str) -> str:
    """Return the text as it would come out of a frame."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def vary(random: Random, text: str) -> str:
    """Change the case of some characters, also to what only looks like the same letter."""
    return "".join(_vary_one(random, character) for character in text)


def _vary_one(random: Random, character: str) -> str:
    if random.random() < 0.6:
        return character
    kin = next((group for group in KIN if character in group), character.swapcase())
    return random.choice(kin) if kin else character


class Patterns:
    """Makes patterns; each method returns a pattern and a text."""

    def __init__(self, random: Random, words: tuple[str, ...] = ()) -> None:
        self.random = random
        self.words = words
        self.groups = 0

    def make(self) -> tuple[str, str, int]:
        """Return a pattern that compiles, a text, and flags."""
        while True:
            flags = self.random.choice(FLAGS) | self.random.choice(FLAGS)
            self.groups = 0
            pattern, text = self.sequence(3)
            try:
                re.compile(pattern, flags)
            except re.error:
                continue
            return pattern, self.characters() + text + self.characters(), flags

    def characters(self) -> str:
        return "".join(self.random.choice(CHARACTERS) for _ in range(self.random.randrange(4)))

    def sequence(self, depth: int) -> tuple[str, str]:
        parts = [self.element(depth) for _ in range(self.random.randrange(1, 4))]
        return "".join(pattern for pattern, _ in parts), "".join(text for _, text in parts)

    def element(self, depth: int) -> tuple[str, str]:
        simple: tuple[Callable[[], tuple[str, str]], ...] = (*[self.literal] * 3, self.one_of, self.anchor)
        if depth == 0:
            return self.random.choice(simple)()
        nested = (self.repeat, self.branch, self.group, self.look, self.reference, self.inline, self.conditional)
        if self.random.random() < 0.5:
            return self.random.choice(simple)()
        return self.random.choice(nested)(depth - 1)

    def literal(self) -> tuple[str, str]:
        if self.words and self.random.random() < 0.7:
            text = self.random.choice(self.words)
        else:
            text = "".join(self.random.choice(CHARACTERS) for _ in range(self.random.randrange(1, 4)))
        return re.escape(text), vary(self.random, text)

    def one_of(self) -> tuple[str, str]:
        random = self.random
        character = random.choice(CHARACTERS)
        if random.random() < 0.3:
            return random.choice((".", r"\d", r"\D", r"\s", r"\S", r"\w", r"\W")), character
        items = []
        for _ in range(random.randrange(1, 4)):
            low, high = sorted((random.choice(CHARACTERS), random.choice(CHARACTERS)))
            kinds = (re.escape(low), f"{re.escape(low)}-{re.escape(high)}", random.choice((r"\d", r"\S", r"\w", r"\W")))
            items.append(random.choice(kinds))
        return f"[{random.choice(('', '^'))}{''.join(items)}]", character

    def anchor(self) -> tuple[str, str]:
        return self.random.choice(("^", "$", r"\A", r"\Z", r"\b", r"\B")), ""

    def repeat(self, depth: int) -> tuple[str, str]:
        # a long repeat of more than one character could be matched in so many ways that `re` never ends
        simple = self.random.random() < 0.5
        pattern, text = self.one_of() if simple else self.element(depth)
        if re.fullmatch(r"(?s)[\^$]|\\[AZbB]", pattern):
            return pattern, text
        quantifiers = ("*", "+", "?", "{2}", "{2,3}", "{0,2}", "{3,}", "{1,40}", "{5}", "{,9}", "{17}")
        quantifier = self.random.choice(quantifiers) + self.random.choice(("", "", "?", "+"))
        often = (0, 1, 2, 5, 17, 33) if simple else (0, 1, 2, 2, 3, 5) if len(text) < 4 else (0, 1, 2)
        times = self.random.choice(often)
        return f"(?:{pattern}){quantifier}", text * times

    def branch(self, depth: int) -> tuple[str, str]:
        parts = [self.sequence(depth) for _ in range(self.random.randrange(2, 4))]
        if self.random.random() < 0.2:
            parts.append(("", ""))
        return f"(?:{'|'.join(pattern for pattern, _ in parts)})", self.random.choice(parts)[1]

    def group(self, depth: int) -> tuple[str, str]:
        pattern, text = self.sequence(depth)
        return self.random.choice(("({})", "(?:{})", "(?>{})")).format("{}").replace("{}", pattern, 1), text

    def look(self, depth: int) -> tuple[str, str]:
        pattern, text = self.sequence(depth)
        sign = self.random.choice(("?=", "?!", "?<=", "?<!"))
        return f"({sign}{pattern})", text if sign == "?=" and self.random.random() < 0.5 else ""

    def reference(self, depth: int) -> tuple[str, str]:
        pattern, text = self.sequence(depth)
        between, more = self.sequence(0)
        self.groups += 1
        name = f"g{self.groups}"
        refers = self.random.choice((f"(?P={name})", f"(?i:(?P={name}))", f"(?:(?P={name})){{2}}"))
        if self.random.random() < 0.4:  # how an atomic group was written before there was one
            return f"(?=(?P<{name}>{pattern})){refers}{between}", text + more
        return f"(?P<{name}>{pattern}){between}{refers}", text + more + vary(self.random, text)

    def inline(self, depth: int) -> tuple[str, str]:
        pattern, text = self.sequence(depth)
        return f"(?{self.random.choice(('i', 's', 'm', 'a', 'u', 'x', '-i', '-s', 'i-s', 'ai'))}:{pattern})", text

    def conditional(self, depth: int) -> tuple[str, str]:
        pattern, text = self.sequence(depth)
        (yes, text_of_yes), (no, text_of_no) = self.sequence(0), self.sequence(0)
        self.groups += 1
        name = f"g{self.groups}"
        taken = self.random.random() < 0.5
        return f"(?P<{name}>{pattern})?(?({name}){yes}|{no})", text + text_of_yes if taken else text_of_no
