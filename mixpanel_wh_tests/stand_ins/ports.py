"""Ports for servers that must be told theirs before they start."""

import os
import random
import socket

FIRST, COUNT = 15_000, 10_000
"""Below the ports that a system gives away by itself, or one could be gone before the server has it."""


def free_port() -> int:
    """A port of the loopback that nobody has; it differs from what other processes find at the same time."""
    drawn = random.Random(os.urandom(16))  # not from the seeds that tests set
    while True:
        port = FIRST + drawn.randrange(COUNT)
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
