"""The small separate process that starts children, and the gateway's side of it (`client`)."""
