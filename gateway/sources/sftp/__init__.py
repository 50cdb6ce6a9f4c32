"""SFTP into the drop box: SSH by twisted.conch, with a connection, session and SFTP layer of our own."""
