"""A local Mixpanel: judges what it is sent by Mixpanel's rules, stores it in DuckDB and shows it on a page.

Importing this package loads no server and no database; starting a sandbox does.
"""

from mixpanel_wh.sandbox.errors import SandboxError
from mixpanel_wh.sandbox.options import SandboxOptions, ServiceAccount
from mixpanel_wh.sandbox.running import Sandbox, asked_to_stop, serve

__all__ = ["Sandbox", "SandboxError", "SandboxOptions", "ServiceAccount", "asked_to_stop", "serve"]
