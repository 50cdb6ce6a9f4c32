"""The configuration that a new installation begins with; `conf/` in the sources holds the same files."""

from __future__ import annotations

from importlib import resources

_FACING_THE_NETWORK = {
    f"    {kind}: {port}\n": f'    {kind}: "0.0.0.0:{port}"\n'
    for kind, port in (("tls", 6514), ("ftp", 2121), ("sftp", 2222))
}
"""The listeners that encrypt and know who sends."""


def config_text(*, network: bool = False) -> str:
    """Return the commented configuration; with `network`, those of its listeners face the network that may."""
    text = resources.files(__name__).joinpath("gateway.yaml").read_text(encoding="utf-8")
    if not network:
        return text
    for here, everywhere in _FACING_THE_NETWORK.items():
        text = text.replace(here, everywhere)
    return text.replace(' "0.0.0.0:6514" lets the network in.', "")


def rule_texts() -> dict[str, str]:
    """Return the example rule files by their names."""
    folder = resources.files(__name__).joinpath("rules")
    return {
        file.name: file.read_text(encoding="utf-8") for file in sorted(folder.iterdir(), key=lambda file: file.name)
    }
