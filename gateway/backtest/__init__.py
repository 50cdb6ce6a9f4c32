"""Old logs run through the rules in their own time: what would have happened, when, and how often."""
