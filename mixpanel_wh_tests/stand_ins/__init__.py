"""Servers that stand in for warehouses, started and stopped by the tests."""
