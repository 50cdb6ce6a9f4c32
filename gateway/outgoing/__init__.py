"""What leaves over the network: mail to a server, and messages to other syslog servers."""
