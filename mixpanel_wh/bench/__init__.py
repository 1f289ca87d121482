"""The bench: what the engine costs, as ratios to a floor measured in the same run, against a discarding server."""
