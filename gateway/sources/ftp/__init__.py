"""FTP (RFC 959) with explicit TLS (RFC 4217) into the drop box."""
