"""The suite; mirrors the three packages, with real programs in end_to_end."""
