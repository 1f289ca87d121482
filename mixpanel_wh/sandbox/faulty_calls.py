"""What a fault does to a call before its answer is sent."""

from collections.abc import Callable
from dataclasses import replace

from mixpanel_wh.sandbox import rules
from mixpanel_wh.sandbox.bodies import plain_body, too_many_bytes
from mixpanel_wh.sandbox.calls import Answer, Call, RefusedCall, refused
from mixpanel_wh.sandbox.faults import Fault, FaultBox

_DROPPED = Answer(0, b"", error="the connection is reset")


def fault_for(call: Call, faults: FaultBox) -> Fault | None:
    """The fault this call meets, if any."""
    return None if faults.empty else faults.next_for(call.path, _size(call))


def served_with(fault: Fault | None, serve: Callable[[], Answer]) -> Answer:
    """The answer under a fault: instead of the endpoint's own, or in its place once the records are stored."""
    instead = _instead(fault) if fault else None
    if fault is None or instead is None:
        return serve()
    if not fault.after_store:
        return instead
    stored = serve()
    return replace(instead, imported=stored.imported, failed=stored.failed, size=stored.size)


def _instead(fault: Fault) -> Answer | None:
    match fault.kind:
        case "rate_limit":
            error = f"rate limit exceeded (injected): try again in {fault.retry_after} s"
            return refused(429, error, {"Retry-After": str(fault.retry_after)})
        case "server_error":
            return refused(fault.status, "injected server error")
        case "unauthorized":
            return refused(401, "invalid credentials (injected)")
        case "too_large":
            return too_many_bytes(fault.limit_bytes).answer
        case "reset":
            return _DROPPED
        case _:
            return None


def _size(call: Call) -> int:
    try:
        return len(plain_body(call, rules.LOOKUP_BYTES))
    except RefusedCall:
        return len(call.body)
