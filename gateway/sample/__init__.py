"""The configuration that a new installation begins with; `conf/` in the sources holds the same files."""

from __future__ import annotations

from importlib import resources

_LOOPBACK = "    tls: 6514\n"
_NETWORK = '    tls: "0.0.0.0:6514"\n'


def config_text(*, network: bool = False) -> str:
    """Return the commented configuration; with `network`, its TLS listener faces the network."""
    text = resources.files(__name__).joinpath("gateway.yaml").read_text(encoding="utf-8")
    return text.replace(_LOOPBACK, _NETWORK).replace(' "0.0.0.0:6514" lets the network in.', "") if network else text


def rule_texts() -> dict[str, str]:
    """Return the example rule files by their names."""
    folder = resources.files(__name__).joinpath("rules")
    return {
        file.name: file.read_text(encoding="utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)
    }
