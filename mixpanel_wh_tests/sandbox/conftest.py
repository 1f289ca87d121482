"""A running sandbox for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from mixpanel_wh.sandbox import Sandbox, SandboxOptions


@pytest.fixture
def start() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes with options of the test's own; they stop with the test."""
    with ExitStack() as stack:

        def start_one(**options: Any) -> Sandbox:
            return stack.enter_context(Sandbox.start(SandboxOptions(**({"port": 0} | options))))

        yield start_one
