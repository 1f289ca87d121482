"""The web application: which path leads to which endpoint, and what happens around every call."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from mixpanel_wh.sandbox import verbs
from mixpanel_wh.sandbox.calls import Answer, Call, RefusedCall, refused
from mixpanel_wh.sandbox.export_api import get_export
from mixpanel_wh.sandbox.faults import Fault
from mixpanel_wh.sandbox.faulty_calls import fault_for, served_with
from mixpanel_wh.sandbox.import_api import post_import
from mixpanel_wh.sandbox.lookup_api import get_lookup_tables, put_lookup_table
from mixpanel_wh.sandbox.profile_api import post_engage, post_groups
from mixpanel_wh.sandbox.project import Project
from mixpanel_wh.sandbox.query_api import list_groups, query_engage
from mixpanel_wh.sandbox.segmentation_api import query_segmentation
from mixpanel_wh.sandbox.wire import Delivery, Transports

Endpoint = Callable[[Call, Project, Fault | None], Answer]

_FLUSH_SECONDS = 0.5
_PAGE = Path(__file__).with_name("page.html")

_MIXPANEL: list[tuple[str, str, Endpoint]] = [
    ("POST", "/import", post_import),
    ("POST", "/engage", post_engage),
    ("POST", "/groups", post_groups),
    ("GET", "/lookup-tables", get_lookup_tables),
    ("PUT", "/lookup-tables/{id:path}", put_lookup_table),
    ("GET", "/api/2.0/export", get_export),
    ("GET", "/api/app/projects/{project}/data-groups/", list_groups),
    ("GET", "/api/query/segmentation", query_segmentation),
    ("GET", "/api/query/engage", query_engage),
    ("POST", "/api/query/engage", query_engage),
    ("GET", "/api/2.0/engage", query_engage),
    ("POST", "/api/2.0/engage", query_engage),
]

_VERBS: list[tuple[str, str, verbs.Verb]] = [
    ("GET", "/sandbox/summary", verbs.get_summary),
    ("GET", "/sandbox/overview", verbs.get_overview),
    ("GET", "/sandbox/events", verbs.get_events),
    ("GET", "/sandbox/profiles", verbs.get_profiles),
    ("GET", "/sandbox/groups", verbs.get_groups),
    ("GET", "/sandbox/lookup-tables/{id:path}", verbs.get_lookup_table),
    ("GET", "/sandbox/requests", verbs.get_requests),
    ("GET", "/sandbox/rejections", verbs.get_rejections),
    ("GET", "/sandbox/faults", verbs.get_faults),
    ("POST", "/sandbox/faults", verbs.post_faults),
    ("DELETE", "/sandbox/faults", verbs.delete_faults),
    ("POST", "/sandbox/reset", verbs.post_reset),
]


def application(project: Project, transports: Transports) -> Starlette:
    """The sandbox as an ASGI application."""

    async def mixpanel(request: Request, endpoint: Endpoint) -> Delivery:
        call = await _read(request)
        answer, fault = await run_in_threadpool(_serve, call, project, endpoint)
        return Delivery(answer, fault, transports)

    async def verb(request: Request, endpoint: verbs.Verb) -> Delivery:
        call = await _read(request)
        answer = await run_in_threadpool(_answered, lambda: endpoint(call, project))
        return Delivery(answer, None, transports)

    routes = [Route(path, partial(mixpanel, endpoint=end), methods=[method]) for method, path, end in _MIXPANEL]
    routes += [Route(path, partial(verb, endpoint=end), methods=[method]) for method, path, end in _VERBS]
    routes.append(Route("/", partial(verb, endpoint=_page)))
    routes.append(Route("/{path:path}", partial(mixpanel, endpoint=_unknown), methods=_METHODS))
    return Starlette(routes=routes, lifespan=partial(_flushing, project=project))


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@asynccontextmanager
async def _flushing(app: Starlette, project: Project) -> AsyncIterator[None]:
    """Writes what waits in memory twice a second while the server runs."""
    task = asyncio.create_task(_flush_for_ever(project))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _flush_for_ever(project: Project) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        await run_in_threadpool(project.store.flush)


async def _read(request: Request) -> Call:
    return Call(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
        parameters=request.path_params,
    )


def _serve(call: Call, project: Project, endpoint: Endpoint) -> tuple[Answer, Fault | None]:
    """The answer to a call of Mixpanel's own, with the fault it meets, noted in the journal."""
    started = time.perf_counter()
    at_ms = int(project.options.clock() * 1_000)
    fault = fault_for(call, project.faults)
    answer = _answered(lambda: served_with(fault, lambda: endpoint(call, project, fault)))
    took_ms = (time.perf_counter() - started) * 1_000
    project.journal.note(call, answer, f"fault: {fault.kind}" if fault else "", at_ms, took_ms)
    return answer, fault


def _answered(serve: Callable[[], Answer]) -> Answer:
    try:
        return serve()
    except RefusedCall as refusal:
        return refusal.answer


def _page(call: Call, project: Project) -> Answer:
    return Answer(200, _PAGE.read_bytes(), media="text/html; charset=utf-8")


def _unknown(call: Call, project: Project, fault: Fault | None) -> Answer:
    return refused(404, f"the sandbox has no {call.method} {call.path}")
