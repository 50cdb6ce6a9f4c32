"""Batteries that break things on purpose: processes killed, disks filled, bits flipped, clocks stepped."""
