"""What can stop a sandbox from starting."""


class SandboxError(Exception):
    """One sentence that says what is wrong and what to do: a port in use, a locked data file."""
