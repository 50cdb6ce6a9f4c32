"""Facts about ourselves: each is a type that owns its words for the log, in the module of whoever has it to tell."""
