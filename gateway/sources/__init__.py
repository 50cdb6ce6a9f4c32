"""The ways in: each turns what arrives into batches and hands them to the pipeline."""
