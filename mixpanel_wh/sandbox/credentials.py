"""Who may call: HTTP basic with a service account and project id, or with a project token."""

import base64
import binascii
from hmac import compare_digest

from mixpanel_wh.sandbox.calls import Call, RefusedCall
from mixpanel_wh.sandbox.options import SandboxOptions


def require_service_account(call: Call, options: SandboxOptions) -> None:
    """Raises the 401 or 400 of a call without a valid service account and its project id."""
    user, secret = _basic(call)
    if not secret:
        raise RefusedCall(401, "a service account (user and secret) is required here")
    account = options.service_account
    if account and not (_same(user, account.user) and _same(secret, account.secret)):
        raise RefusedCall(401, "the service account's user or secret is wrong")
    _require_project(call, options)


def require_importer(call: Call, options: SandboxOptions) -> None:
    """As `require_service_account`, or the project token as the user with an empty password."""
    user, secret = _basic(call)
    if secret:
        require_service_account(call, options)
    else:
        require_token(user, options)


def require_token(token: str, options: SandboxOptions) -> None:
    """Raises the 401 of a project token that is not the sandbox's."""
    if options.project_token is not None and not _same(token, options.project_token):
        raise RefusedCall(401, "the project token is wrong")


def _require_project(call: Call, options: SandboxOptions) -> None:
    project = call.query.get("project_id", "")
    if not project:
        raise RefusedCall(400, "project_id is required in the query string with a service account")
    if options.project_id is not None and project != options.project_id:
        raise RefusedCall(401, "the service account has no access to this project_id")


def _basic(call: Call) -> tuple[str, str]:
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise RefusedCall(401, "HTTP basic authentication is required")
    try:
        user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise RefusedCall(401, "the Authorization header is not valid HTTP basic authentication") from None
    if not user:
        raise RefusedCall(401, "the user of the HTTP basic authentication is empty")
    return user, secret


def _same(given: str, expected: str) -> bool:
    return compare_digest(given.encode(), expected.encode())
