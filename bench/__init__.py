"""What the gateway can do in a second of CPU time; nothing here is asserted by a test."""
