"""The verbs, one file each: `execute` does the verb and returns the exit status."""
