"""Whole syncs over HTTP into a real sandbox; what it holds is compared with the table by other means."""
