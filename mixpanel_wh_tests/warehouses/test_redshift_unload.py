"""Answers of Redshift that go through S3: how many rows make one, in which order, and that nothing is left there."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from mixpanel_wh.engine import batches
from mixpanel_wh.engine.errors import ConfigError, SourceError, WarehouseUnavailable
from mixpanel_wh.warehouses.redshift import unloading
from mixpanel_wh.warehouses.redshift.warehouse import store_of
from mixpanel_wh_tests.stand_ins import s3
from mixpanel_wh_tests.stand_ins.redshift import RunningRedshift
from mixpanel_wh_tests.warehouses.asking import Mirroring, read, user_spec
from mixpanel_wh_tests.warehouses.redshift_ground import BUCKET, RedshiftGround

ROLE = "arn:aws:iam::123456789012:role/unloads"


@pytest.fixture
def ground(redshift: RunningRedshift) -> Iterator[RedshiftGround]:
    with closing(RedshiftGround(redshift, unload=True)) as ground:
        yield ground


def left(ground: RedshiftGround) -> list[str]:
    """What stands in this ground's place in S3."""
    return [key for key in s3.keys(ground.server.s3, BUCKET) if key.startswith(ground.schema)]


def unloads(ground: RedshiftGround) -> list[str]:
    """The statements of this ground that unload."""
    return [sql for sql in ground.server.asked if sql.startswith("UNLOAD") and ground.schema in sql]


def test_answers_with_few_rows_go_through_a_cursor_and_with_many_through_s3(ground: RedshiftGround) -> None:
    ground.settings = {"unload_rows": 50, "iam_role": ROLE, "region": "us-east-1"}
    with closing(ground.open()) as warehouse:
        assert len(read(warehouse, user_spec(ground.fill("few", 49)))) == 49
        assert unloads(ground) == []
        assert len(read(warehouse, user_spec(ground.fill("many", 50)))) == 50
    (statement,) = unloads(ground)
    assert f"IAM_ROLE '{ROLE}' FORMAT AS PARQUET MAXFILESIZE 64 MB PARALLEL ON REGION 'us-east-1'" in statement
    assert left(ground) == []


def test_many_files_are_read_one_by_one_and_changes_come_in_their_order(ground: RedshiftGround) -> None:
    with closing(ground.open()) as warehouse:
        spec = user_spec(ground.fill("many", 5_000))
        assert {int(row[batches.KEY]) for row in read(warehouse, spec)} == set(range(5_000))
        sync = Mirroring(warehouse, spec)
        sync.stage()
        first = [row[batches.KEY] for row in sync.changes()]
        sync.acknowledge(1_234)
        assert [row[batches.KEY] for row in sync.changes()] == first[1_234:]
    assert "PARALLEL OFF" in unloads(ground)[-1]
    assert left(ground) == []


def test_an_empty_answer_is_no_row(ground: RedshiftGround) -> None:
    with closing(ground.open()) as warehouse:
        assert read(warehouse, user_spec(ground.fill("none", 0))) == []


def test_a_reader_that_stops_early_leaves_nothing(ground: RedshiftGround) -> None:
    with closing(ground.open()) as warehouse:
        rows = warehouse.tables.read(user_spec(ground.fill("many", 5_000)))
        assert next(rows).num_rows
        assert left(ground)
        rows.close()  # type: ignore[attr-defined]
    assert left(ground) == []


def test_a_statement_that_fails_leaves_nothing(ground: RedshiftGround) -> None:
    ground.run("CREATE TABLE base AS SELECT CAST('x' AS varchar(9)) AS id, CAST('1' AS varchar(9)) AS word")
    ground.run("CREATE VIEW broken AS SELECT id, CAST(word AS integer) / 0 AS word FROM base")
    with closing(ground.open()) as warehouse, pytest.raises(SourceError, match="division by zero"):
        read(warehouse, user_spec(ground.name("broken")))
    assert left(ground) == []


def test_the_next_reader_deletes_what_a_dead_one_left_and_nothing_of_a_living_one(
    ground: RedshiftGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = s3.client(ground.server.s3)
    for name in ("dead.alive", "dead/rows_0000_part_00.parquet"):
        store.put_object(Bucket=BUCKET, Key=f"{ground.schema}/mixpanel_wh/{name}", Body=b"x")
    theirs = f"{ground.schema}/somebody_elses.parquet"
    store.put_object(Bucket=BUCKET, Key=theirs, Body=b"x")
    with closing(ground.open()) as warehouse:
        spec = user_spec(ground.fill("many", 100))
        assert len(read(warehouse, spec)) == 100
        assert len(left(ground)) == 3, "a reader that was there a moment ago may be alive"
        monkeypatch.setattr(unloading, "LOST_SECONDS", 0)
        assert len(read(warehouse, spec)) == 100
    assert left(ground) == [theirs]


def test_a_living_reader_renews_its_mark(ground: RedshiftGround, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unloading, "RENEWED_SECONDS", 0.01)
    store = store_of({"unload_to": ground.place, "s3_endpoint": ground.server.s3})
    assert store is not None
    with unloading.folder(store) as name:
        key = f"{store.base}{name}{unloading.MARK}"
        store.delete([key])
        while key not in store.keys(store.base):
            pass
    assert left(ground) == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"unload_to": "s3://no-such-bucket/x"}, "there is no bucket for s3://no-such-bucket/x: check unload_to"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "S3 at s3://.* does not answer"),
        ({"profile": "nobody", "cluster": None}, "check region and profile|does not answer|profile"),
    ],
)
def test_a_place_that_is_none_is_one_sentence(
    ground: RedshiftGround, changed: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ground.settings = changed
    table = ground.fill("many", 10)
    with closing(ground.open()) as warehouse, pytest.raises(WarehouseUnavailable, match=sentence) as caught:
        read(warehouse, user_spec(table))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["bucket/prefix", "gs://bucket", "s3://"])
def test_a_place_outside_of_s3_is_refused(place: str) -> None:
    with pytest.raises(ConfigError, match="write s3://bucket/prefix"):
        store_of({"unload_to": place})
