"""Bytes in, events out: framing, envelopes and grammars, without a clock, a file or a socket."""
