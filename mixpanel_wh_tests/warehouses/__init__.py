"""Tests of the warehouses: one contract that each of them must pass, and what is special to one."""
