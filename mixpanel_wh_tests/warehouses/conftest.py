"""The contract's modules are no test files of their own; pytest shows the values of their assertions all the same."""

import pytest

for part in ("reading", "moments", "windows", "changes", "drift", "settling", "keeping", "partitions"):
    pytest.register_assert_rewrite(f"mixpanel_wh_tests.warehouses.contract_{part}")
