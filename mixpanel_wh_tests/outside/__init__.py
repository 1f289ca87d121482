"""The package in a Dagster project of somebody else's, made by Dagster's own tool and far from this repository."""
