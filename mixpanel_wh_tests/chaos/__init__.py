"""The long forms of tests in which something breaks on purpose or edits are drawn at random."""
