"""A running sandbox for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from mixpanel_wh.sandbox import Sandbox, SandboxOptions


@pytest.fixture(scope="session")
def running_box() -> Iterator[Sandbox]:
    with Sandbox.start(SandboxOptions(port=0)) as box:
        yield box


@pytest.fixture
def box(running_box: Sandbox) -> Sandbox:
    """An empty sandbox with the default options."""
    requests.post(f"{running_box.url}/sandbox/reset", timeout=30)
    return running_box


@pytest.fixture
def start() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes with options of the test's own; they stop with the test."""
    with ExitStack() as stack:

        def start_one(**options: Any) -> Sandbox:
            return stack.enter_context(Sandbox.start(SandboxOptions(**({"port": 0} | options))))

        yield start_one
