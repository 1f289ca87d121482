"""How fast a sync of one's own goes: its table is read and encoded, and sent to the discarding server. No state is
read or written, and nothing reaches Mixpanel."""

import resource
import time
from contextlib import closing, nullcontext
from dataclasses import replace

from mixpanel_wh.bench.measure import Measurement, cpu_seconds
from mixpanel_wh.bench.sink import sink
from mixpanel_wh.config import load_project
from mixpanel_wh.config.wiring import Connections, verify_columns
from mixpanel_wh.engine.pipeline import Delivery
from mixpanel_wh.mixpanel.project import MixpanelProject


def measure_sync(path: str, name: str, rows: int | None, url: str | None) -> Measurement:
    """Read a sync's table (its first `rows` where given) and send it to `url`, else to the discarding server.

    Raises what `config.load_project` and reading the table raise.
    """
    project = load_project(path)
    spec = project.sync(name)
    with Connections(project) as connections, nullcontext(url) if url else sink() as address:
        warehouse, kind = connections.warehouse(spec), project.warehouse_of(spec).kind
        table = warehouse.tables.describe(spec.table)
        verify_columns(spec, table)
        unlimited = replace(project.destination_of(spec), url=address, events_per_second=None, bytes_per_minute=None)
        with closing(MixpanelProject(unlimited, kind)) as mixpanel:
            cpu, start = cpu_seconds(), time.perf_counter()
            delivery = Delivery(mixpanel.encoder(spec, table, epoch=0), mixpanel.destination(spec))
            sent = sum(part.batch.num_rows for part in delivery.run(warehouse.tables.read(spec, sample=rows)))
            seconds, used = time.perf_counter() - start, cpu_seconds() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measurement(name, sent, round(seconds, 3), round(sent / seconds), round(used / max(1, sent) * 1e6, 3),
                       round(peak, 1), ratio_to_floor=0.0)  # fmt: skip
