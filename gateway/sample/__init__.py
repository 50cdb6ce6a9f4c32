"""The configuration that a new installation begins with; `conf/` in the sources holds the same files."""

from __future__ import annotations

import re
from importlib import resources

_TLS = re.compile(r"^  #syslog-tls:\n(?:  #  .*\n)+", re.MULTILINE)


def config_text(*, tls: bool = False) -> str:
    """Return the commented configuration; with `tls`, the TLS listener that faces the network is on."""
    text = resources.files(__name__).joinpath("gateway.yaml").read_text(encoding="utf-8")
    return _TLS.sub(lambda block: re.sub("(?m)^  #", "  ", block[0]), text) if tls else text


def rule_texts() -> dict[str, str]:
    """Return the example rule files by their names."""
    folder = resources.files(__name__).joinpath("rules")
    return {
        file.name: file.read_text(encoding="utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)
    }
