"""Records: a plain reference encoder, and what the fast one is held to."""
