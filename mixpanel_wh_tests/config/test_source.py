"""Reading YAML: lines, references to the environment, and files that cannot be read at all."""

from pathlib import Path

import pytest

from mixpanel_wh.config import load_project
from mixpanel_wh.config.environment import expand
from mixpanel_wh.engine.errors import ConfigError
from mixpanel_wh_tests.config.writing import (
    EVENT,
    HEAD,
    SECRET,
    USER,
    loaded,
    mistakes,
    only_mistake,
    sync_file,
    written,
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("[a, b]\n", "1: the file holds a list"),
        ("hello\n", "1: the file holds a single value"),
        ("version: 1\nwarehouse: {type: duckdb\n", "3: this is not valid YAML"),
        ("version: 1\na: b: c\n", "2: this is not valid YAML: mapping values are not allowed"),
        ("version: 1\n\twarehouse: x\n", "indent with spaces instead of tabs"),
        ("version: 1\n---\nversion: 1\n", "2: this is not valid YAML"),
        ("version: \x01\n", "characters that YAML does not allow"),
    ],
)
def test_a_file_that_is_no_mapping_gets_one_clear_sentence(tmp_path: Path, text: str, told: str) -> None:
    assert told in only_mistake(tmp_path, text)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no project file .*nothing\.yaml: name one with --project"):
        load_project(tmp_path / "nothing.yaml", {})
    with pytest.raises(ConfigError, match="is a folder"):
        load_project(tmp_path, {})


def test_a_file_that_is_not_utf_8_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_bytes("version: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_project(tmp_path / "project.yaml", {})


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text("\ufeff" + sync_file(EVENT))
    assert load_project(tmp_path / "project.yaml", {"MIXPANEL_TOKEN": "t"}).names == ["one"]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${A}", "a"),
        ("x-${A}-${B:-b}-y", "x-a-b-y"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("$${A} costs $5 $A", "${A} costs $5 $A"),
        ("${NONE:-http://127.0.0.1:1/}", "http://127.0.0.1:1/"),
    ],
)
def test_references_are_replaced_as_in_a_shell(text: str, expanded: str) -> None:
    found = expand(text, {"A": "a", "EMPTY": ""})
    assert (found.text, found.missing, found.malformed) == (expanded, (), False)


def test_a_missing_variable_is_one_mistake_with_its_line(tmp_path: Path) -> None:
    told = only_mistake(tmp_path, sync_file(EVENT), {})
    assert told == (
        "3: destination.token: the environment variable MIXPANEL_TOKEN is not set; set it, or write "
        "${MIXPANEL_TOKEN:-default}"
    )


@pytest.mark.parametrize("value", ["${", "${1A}", "${A", "${A:+b}"])
def test_a_reference_that_is_none_is_told(tmp_path: Path, value: str) -> None:
    assert "5: syncs.one.description: this is no reference" in only_mistake(
        tmp_path, sync_file(f'{EVENT}, description: "{value}"')
    )


def test_an_empty_variable_leaves_an_optional_key_out_and_a_required_one_missing(tmp_path: Path) -> None:
    assert loaded(tmp_path, sync_file(f"{EVENT}, description: '${{EMPTY}}'")).sync("one").description is None
    told = only_mistake(tmp_path, sync_file("table: '${EMPTY}', " + USER.partition(", ")[2]))
    assert told.startswith("5: syncs.one.table: nothing stands here")


def test_names_that_yaml_takes_for_booleans_or_numbers_stay_names(tmp_path: Path) -> None:
    spec = loaded(tmp_path, sync_file(f"{EVENT}, user_id: no, row_key: [on, 012, 1e3]")).sync("one")
    assert (spec.user_id, spec.row_key) == ("no", ("on", "012", "1e3"))


def test_a_key_that_stands_twice_is_told_with_both_lines(tmp_path: Path) -> None:
    text = f"{HEAD}  one: {{{EVENT}}}\n  two: {{{USER}}}\n  one: {{{USER}}}\n"
    assert only_mistake(tmp_path, text) == "7: syncs.one: this key stands here twice, first in line 5"


def test_anchors_and_merge_keys_share_settings_between_syncs(tmp_path: Path) -> None:
    text = (
        "x-shared: &shared {record: event, mode: append, event: Seen, time: at, insert_time: at}\n"
        f"{HEAD}  one: {{<<: *shared, table: a.b}}\n"
        "  two: {<<: *shared, table: a.c, mode: mirror, insert_time: null}\n"
    )
    project = loaded(tmp_path, text)
    assert (project.sync("one").insert_time, project.sync("two").mode) == ("at", "mirror")


def test_an_alias_that_holds_itself_is_refused(tmp_path: Path) -> None:
    told = mistakes(tmp_path, "version: 1\nsyncs: &all\n  a: {table: *all}\n")
    assert any("syncs.a.table: this alias points to what it stands in" in one for one in told)


@pytest.mark.parametrize(
    "value", [f"*{SECRET}", f"!{SECRET} x", f"%{SECRET}", f"@{SECRET}", f"[{SECRET}", f"'{SECRET}"]
)
def test_no_secret_is_repeated_from_yaml_that_cannot_be_read(tmp_path: Path, value: str) -> None:
    told = mistakes(tmp_path, f"version: 1\ndestination:\n  token: {value}\n  project_id: 1\n")
    assert SECRET not in "\n".join(told)


def test_no_secret_is_repeated_in_a_mistake_or_in_the_text_of_a_project(tmp_path: Path) -> None:
    text = sync_file(EVENT).replace('token: "${MIXPANEL_TOKEN}"', "token: [${MIXPANEL_TOKEN}]")
    assert SECRET not in "\n".join(mistakes(tmp_path, text))
    environ = {"MIXPANEL_TOKEN": SECRET, "URL": f"ftp://{SECRET}@host"}
    for url in ("${URL}", f"http://me:{SECRET}@127.0.0.1", f"http://127.0.0.1?key={SECRET}"):
        assert SECRET not in only_mistake(
            tmp_path, sync_file(EVENT).replace("token:", f"url: '{url}', token:"), environ
        )
    assert SECRET not in repr(loaded(tmp_path, sync_file(EVENT)))
    assert "hush" not in repr(loaded(tmp_path, sync_file(EVENT)))


def test_a_value_from_the_environment_is_told_by_its_reference(tmp_path: Path) -> None:
    text = sync_file(EVENT).replace("token:", "region: '${MIXPANEL_TOKEN}', token:")
    assert only_mistake(tmp_path, text).startswith("3: destination.region: '${MIXPANEL_TOKEN}' is not a region")


@pytest.mark.parametrize(
    "sync",
    [
        f"{EVENT}, partitions: {{every: day, start: '${{NONE}}'}}",
        f"{EVENT}, properties: {{hash: ['${{NONE}}']}}",
        f"{EVENT}, group_keys: {{a: '${{NONE}}'}}",
        EVENT.replace("event: Flight", "event: {name: '${NONE}'}"),
        EVENT.replace("mode: mirror", "mode: '${NONE}'"),
        "'${NONE}': x, " + EVENT.replace("table: main.flights", "table: '${NONE}'"),
    ],
)
def test_a_variable_that_is_missing_anywhere_is_told_and_never_read_as_a_value(tmp_path: Path, sync: str) -> None:
    assert any("the environment variable NONE is not set" in one for one in mistakes(tmp_path, sync_file(sync)))


def test_the_file_is_named_as_the_person_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "version: 2\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^project\.yaml:1: version: '2' is not a version"):
        load_project("project.yaml", {})
