"""Take frames out of a stream of octets (RFC 6587)."""
