"""What a rule remembers until its condition over time comes true: a module for each kind of `when`."""
