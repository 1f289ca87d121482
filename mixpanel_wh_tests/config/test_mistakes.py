"""What is told of a project file that is wrong: where, what, and what to write instead."""

from pathlib import Path

import pytest

from mixpanel_wh.config.mistakes import did_you_mean
from mixpanel_wh_tests.config.writing import APPEND, EVENT, GROUP, HEAD, LOOKUP, USER, mistakes, only_mistake, sync_file

WRONG_SYNCS = [
    (EVENT.replace("mirror", "mirrror"),
     "mode: 'mirrror' is not a mode; write one of mirror, append, full, one_time (did you mean 'mirror'?)"),
    (EVENT.replace("event,", "events,"), "record: 'events' is not a record type; write one of event, user"),
    (EVENT.replace("table: main.flights, ", ""), "table: missing; a sync needs it"),
    (EVENT.replace("record: event, ", ""), "record: missing"),
    (EVENT.replace("mode: mirror, ", ""), "mode: missing"),
    (EVENT.replace("event: Flight, ", ""), "event: missing; an event needs a name"),
    (EVENT.replace(", time: departure_at", ""), "time: missing; an event needs a time"),
    (EVENT.replace("mirror", "full"), "mode: events cannot be sent in full"),
    (f"{EVENT}, row_kye: a", "row_kye: a sync has no such key (did you mean 'row_key'?)"),
    (f"{EVENT}, zzz: a", "zzz: a sync has no such key; it takes table, record, mode"),
    (f"{EVENT}, row_key: [a, b, a]", "row_key: 'a' stands in the list twice"),
    (f"{EVENT}, user_id: [a]", "user_id: a list is not the name of a column"),
    (f"{EVENT}, user_id: {{a: b}}", "user_id: a mapping is not the name of a column"),
    (EVENT.replace("event: Flight", "event: {name: A, column: b}"), "event: write either name"),
    (EVENT.replace("event: Flight", "event: {}"), "event: write either name"),
    (EVENT.replace("event: Flight", "event: {nam: A}"), "event.nam: an event's name has no such key"),
    (f"{EVENT}, distinct_id: a", "distinct_id: the destination has simplified identity"),
    (f"{EVENT}, group_key: a", "group_key: this key has no place in a sync of record event: events take group_keys"),
    (f"{EVENT}, insert_time: a", "insert_time: this key has no place in mode mirror: only append"),
    (f"{EVENT}, partitions: {{every: week, start: 2026-01-01}}", "partitions.every: 'week' is not a size"),
    (f"{EVENT}, partitions: {{every: day}}", "partitions.start: missing"),
    (f"{EVENT}, partitions: {{every: day, start: 2026-01-01, by: insert_time}}", "partitions.by: the sync names no"),
    (f"{USER}, partitions: {{every: day, start: 2026-01-01}}", "partitions: this key has no place in"),
    (f"{EVENT}, lookback: 1 day", "lookback: this key has no place in mode mirror"),
    (f"{EVENT}, on_duplicate_key: reject", "on_duplicate_key: this key needs a row_key"),
    (f"{EVENT}, row_key: a, on_duplicate_key: ignore", "on_duplicate_key: 'ignore' is not an answer"),
    (f"{EVENT}, unset_nulls: true", "unset_nulls: this key has no place in a sync of record event"),
    (f"{EVENT}, timezone: America/New_Yorck", "(did you mean 'America/New_York'?)"),
    (f"{EVENT}, max_rejected: many", "max_rejected: 'many' is not a limit; write a share such as 1%"),
    (f"{EVENT}, engine: mixpanel_connector", "engine: handing a sync over to Mixpanel's own connector is not possible"),
    (f"{EVENT}, engine: other", "engine: 'other' is not an engine"),
    (f"{EVENT}, owners: me", "owners: 'me' is not an owner; write an e-mail address or team:name"),
    (f"{EVENT}, schedule: sometimes", "schedule: 'sometimes' is not a schedule"),
    (f"{EVENT}, warehouse: other", "warehouse: there is no warehouse 'other'; write one of main"),
    (f"{EVENT}, destination: mein", "destination: there is no destination 'mein'"),
    (f"{EVENT}, properties: all", "properties: 'all' is not a choice of properties; write a mapping"),
    (f"{EVENT}, properties: {{alow: [a]}}", "properties.alow: a choice of properties has no such key"),
    (f"{EVENT}, properties: {{deny: [a], hash: [a]}}", "properties.hash: 'a' is denied"),
    (f"{EVENT}, properties: {{deny: [a], allow: [a, b]}}", "properties.allow: 'a' is denied"),
    (f"{EVENT}, properties: {{allow: [a], rename: {{b: c}}}}", "properties.rename: 'b' is not among the allowed"),
    (f"{EVENT}, user_id: a, properties: {{hash: [a]}}", "properties.hash: 'a' is sent as user_id and never"),
    (f"{EVENT}, properties: {{send_nulls: maybe}}", "properties.send_nulls: 'maybe' is not true or false"),
    (APPEND.replace(", insert_time: written_at", ""), "insert_time: missing; append needs the column"),
    (f"{APPEND}, max_deletes: 1%", "max_deletes: this key has no place in mode append"),
    (f"{APPEND}, lookback: 1 fortnight", "lookback: '1 fortnight' is not a span of time; write a span such as 1 day"),
    (f"{APPEND}, start_at: soon", "start_at: 'soon' is not a moment"),
    (f"{USER}, row_key: a", "row_key: this key has no place in a sync of record user: the distinct_id identifies"),
    (f"{USER}, user_id: a", "user_id: this key has no place in a sync of record user: a user profile is identified by"),
    (f"{USER}, event: A", "event: this key has no place in a sync of record user"),
    (f"{USER}, on_duplicate_key: reject", "on_duplicate_key: this key has no place in mode full of profiles"),
    (f"{USER}, unset_nulls: true, properties: {{send_nulls: true}}", "unset_nulls: this contradicts properties"),
    (USER.replace(", distinct_id: tailnum", ""), "distinct_id: missing; a user profile needs an id"),
    (GROUP.replace(", group_id: carrier", ""), "group_id: missing; a group profile needs an id"),
    (GROUP.replace("group_key: airline, ", ""), "group_key: missing; a group profile needs its group key"),
    (f"{GROUP}, distinct_id: a", "distinct_id: this key has no place in a sync of record group: a group profile is"),
    (f"{LOOKUP}, row_key: a", "row_key: this key has no place in a sync of record lookup: the lookup_id identifies"),
    (f"{LOOKUP}, max_changes: 5", "max_changes: this key has no place in a sync of record lookup"),
    (LOOKUP.replace("full", "append"), "mode: a lookup table cannot be appended to"),
    (LOOKUP.replace("lookup_table: airports, ", ""), "lookup_table: missing"),
    ("table: a.b, record: history, mode: mirror", "record: profile history cannot be synced yet"),
    ("table: '', record: user, mode: full, distinct_id: a", "table: nothing stands here; a sync needs it"),
    ("table: [a, b], record: user, mode: full, distinct_id: a", "table: a list is not the name of a table"),
]  # fmt: skip


@pytest.mark.parametrize(("sync", "told"), WRONG_SYNCS, ids=lambda value: str(value)[:50])
def test_a_sync_with_one_mistake_is_told_that_one(tmp_path: Path, sync: str, told: str) -> None:
    found = only_mistake(tmp_path, sync_file(sync))
    assert found.startswith("5: syncs.one.")
    assert told in found


WRONG_FILES = [
    ("version: 1", "version: 2", "1: version: '2' is not a version of project files; write 1"),
    ("version: 1\n", "", "1: version: missing; write version: 1"),
    ("version: 1", "version: 1\nsinks: {}", "2: sinks: a project file has no such key (did you mean 'syncs'?)"),
    ("duckdb,", "duckdbb,", "2: warehouse.type: 'duckdbb' is not a type of warehouse; write one of duckdb"),
    ("type: duckdb, ", "", "2: warehouse.type: missing; write one of duckdb"),
    (", path: flights.duckdb", "", "2: warehouse.path: missing; a duckdb warehouse needs it: the DuckDB file"),
    ("path:", "pth: x, path:", "2: warehouse.pth: a duckdb warehouse has no such key (did you mean 'path'?)"),
    ("path:", "read_only: true, path:", "2: warehouse.staging_path: missing; with read_only"),
    ("path:", "staging_path: ./flights.duckdb, path:", "2: warehouse.staging_path: this is the warehouse itself"),
    ("duckdb, path: flights.duckdb", "snowflake, account: a, user: u, password: p, warehouse: w, database: d, "
     "staging_path: a.duckdb, streams: all", "2: warehouse.streams: staging_path keeps snapshots and state in a file"),
    ("path:", "lock_timeout: long, path:", "2: warehouse.lock_timeout: 'long' is not a number of seconds"),
    ("warehouse: {type: duckdb, path: flights.duckdb}", "warehouse: duckdb", "2: warehouse: 'duckdb' is not"),
    ("warehouse:", "warehouses:", "2: warehouses.type: 'duckdb' is not a warehouse"),
    ("warehouse: {type: duckdb, path: flights.duckdb}\n", "", "1: warehouse: missing; write warehouse, or warehouses"),
    ("destination:", "destinations: {}\ndestination:", "3: destinations: there is destination as well"),
    ("token:", "tokn: x, token:", "3: destination.tokn: a destination has no such key (did you mean 'token'?)"),
    ('project_id: "1234567", ', "", "3: destination.project_id: missing; a destination needs it"),
    ("token:", "region: usa, token:", "3: destination.region: 'usa' is not a region; write one of us, eu, in"),
    ("token:", "url: 'host:1', token:", "3: destination.url: the value is not an address; write an address such as"),
    ("token:", "rate: fast, token:", "3: destination.rate: 'fast' is not a rate; write off, or a mapping"),
    ("token:", "rate: {events_per_second: 0}, token:", "3: destination.rate.events_per_second: '0' is not a number"),
    ("token:", "max_concurrency: 50, token:", "3: destination.max_concurrency: '50' is not a number of requests"),
    ("token:", "identity: old, token:", "3: destination.identity: 'old' is not a kind of identity"),
    (", service_secret: hush", "", "3: destination.service_secret: missing; service_account needs it"),
    ("service_account: account, ", "", "3: destination.service_account: missing; service_secret needs it"),
    ("syncs:\n", "syncs: []\nx-rest:\n", "4: syncs: a list is not a mapping of names to syncs"),
    ("syncs:\n", "syncs:\nx-rest:\n", "4: syncs: nothing is not a mapping of names to syncs"),
    ("syncs:\n", "x-rest:\n", "1: syncs: missing; write a mapping of names to syncs"),
    ("  one:", "  one: hello\n  two:", "5: syncs.one: 'hello' is not a sync; write a mapping"),
    ("  one:", "  'a b':", "5: syncs.a b: this is not a name"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), WRONG_FILES, ids=lambda value: str(value)[:40])
def test_a_project_file_with_one_mistake_is_told_that_one(tmp_path: Path, old: str, new: str, told: str) -> None:
    found = mistakes(tmp_path, sync_file(EVENT).replace(old, new, 1))
    assert told in found[0]
    assert len(found) == 1 or "warehouses" in new, found


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        sync_file(f"{USER}, row_key: a, modee: x").replace("version: 1", "version: 9").replace("flights.duckdb", "''")
    )
    lines = [one.split(":")[0] for one in mistakes(tmp_path, text)]
    assert lines == ["1", "2", "5", "5"]


def test_a_mistake_causes_no_second_one(tmp_path: Path) -> None:
    text = sync_file(LOOKUP).replace("region: us, ", "").replace("token:", "region: mars, token:")
    assert "destination.region" in only_mistake(tmp_path, text)


def test_a_lookup_table_asks_for_a_service_account_at_load(tmp_path: Path) -> None:
    text = sync_file(LOOKUP).replace(", service_account: account, service_secret: hush", "")
    assert "5: syncs.one.record: Mixpanel takes lookup tables from a service account only" in only_mistake(
        tmp_path, text
    )


def test_original_identity_takes_distinct_id_in_place_of_user_and_device(tmp_path: Path) -> None:
    original = sync_file(f"{EVENT}, user_id: a, device_id: b").replace("token:", "identity: original, token:")
    found = mistakes(tmp_path, original)
    assert [one.partition(":")[2].partition(":")[0].strip() for one in found] == [
        "syncs.one.user_id",
        "syncs.one.device_id",
    ]


def test_several_warehouses_make_each_sync_say_which(tmp_path: Path) -> None:
    named = "warehouses: {a: {type: duckdb, path: a.duckdb}, b: {type: duckdb, path: b.duckdb}}"
    text = sync_file(EVENT).replace("warehouse: {type: duckdb, path: flights.duckdb}", named)
    assert only_mistake(tmp_path, text) == "5: syncs.one.warehouse: missing; there are several, so write one of a, b"


def test_syncs_that_some_systems_do_not_tell_apart_are_refused(tmp_path: Path) -> None:
    text = f"{HEAD}  a-b: {{{EVENT}}}\n  A_b: {{{EVENT}}}\n"
    assert "6: syncs.A_b: the sync 'a-b' has nearly the same name" in only_mistake(tmp_path, text)


@pytest.mark.parametrize(
    ("word", "meant"), [("mirrror", "mirror"), ("FULL", "full"), ("apend", "append"), ("zebra", "")]
)
def test_a_near_word_is_guessed_and_a_far_one_is_not(word: str, meant: str) -> None:
    guess = did_you_mean(word, ["mirror", "append", "full", "one_time"])
    assert guess == (f" (did you mean '{meant}'?)" if meant else "")
