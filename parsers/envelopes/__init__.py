"""Take who and when out of a frame (RFC 5424, RFC 3164, plain text)."""
