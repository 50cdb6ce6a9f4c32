"""What mail servers and destinations have to tell."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.notice import Notice


@dataclass(frozen=True, slots=True)
class DestinationConnected(Notice):
    """A destination of `forward` can be sent to."""

    words = "destination {destination}: connected to {address}"
    destination: str
    address: str


@dataclass(frozen=True, slots=True)
class DestinationLost(Notice):
    """A destination of `forward` cannot be sent to; said once for each reason until it can."""

    level = "warn"
    words = "destination {destination}: not connected to {address}: {problem}; what is to go there waits"
    destination: str
    address: str
    problem: str
