"""What becomes of jobs: committed, started, and how they ended."""
