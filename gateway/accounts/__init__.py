"""Who may come into the drop box: the accounts file, passwords and keys, and the judgement of each login."""
