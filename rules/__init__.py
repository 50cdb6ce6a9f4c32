"""Events in, jobs out: which events matter, what they mean over time, and what to do about them."""
