"""What a person sees: the Dagster UI and the sandbox page in a real browser without a window."""
