"""Looking into the gateway: its control socket, whoever asks there, and the same answers while it does not run."""
