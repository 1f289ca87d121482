"""What the demo prints, and how it treats the folder it is given."""

import json
import os
from pathlib import Path

import pytest

from mixpanel_wh.demo.agreement import Agreement, surprises
from mixpanel_wh.demo.edits import EDITS, Edit, Edited
from mixpanel_wh.demo.errors import DemoError
from mixpanel_wh.demo.folder import environment, fresh_folder
from mixpanel_wh.demo.report import RUN_HEADS, agreement_table, run_table, runs_json, travelled_line
from mixpanel_wh.demo.runs import SyncRun


def sync_run(run: int = 1, sync: str = "flights", mode: str = "mirror", read: int = 1_234, **counts: int) -> SyncRun:
    numbers = {"inserted": read, "updated": 0, "deleted": 0, "accepted": read, "rejected": 0} | counts
    return SyncRun(run, sync, mode, "event", read, **numbers, requests=3, bytes=50_000, seconds=0.25,
                   events_per_second=4_936.0)  # fmt: skip


def test_the_run_table_has_the_twelve_columns_and_lines_up() -> None:
    lines = run_table([sync_run(), sync_run(sync="x", read=7)]).split("\n")
    assert lines[0].split() == list(RUN_HEADS)
    assert " ".join(lines[2].split()) == "flights mirror 1,234 1,234 0 0 1,234 0 3 50,000 0.25 4,936"
    assert len({len(line) for line in lines}) == 1


def test_the_json_list_has_every_column_and_the_number_of_the_run() -> None:
    found = json.loads(runs_json([sync_run(run=2)]))[0]
    assert set(RUN_HEADS) <= set(found)
    assert [found[name] for name in ("run", "read", "rows_read", "bytes_sent")] == [2, 1_234, 1_234, 50_000]


def test_full_syncs_are_left_out_of_what_only_changes_should_have_moved() -> None:
    runs = [sync_run(), sync_run(run=2, read=3), sync_run(sync="planes", mode="full"), sync_run(2, "planes", "full")]
    assert "1,234 rows travelled in the first run, 3 in the second" in travelled_line(runs)


@pytest.mark.parametrize(
    ("agreement", "verdict"),
    [
        (Agreement("a", "events", 5, 5, 0), "equal"),
        (Agreement("a", "events", 5, 4, 0), "DIFFERENT"),
        (Agreement("a", "events", 5, 5, 1), "DIFFERENT"),
    ],
)
def test_ends_are_equal_only_when_counts_and_values_are(agreement: Agreement, verdict: str) -> None:
    assert agreement_table([agreement]).split("\n")[-1].split()[-1] == verdict


def test_a_second_run_that_moved_other_rows_than_were_edited_is_a_surprise() -> None:
    edited = [Edited(EDITS[0], 10)]
    assert surprises([sync_run(2, read=10, inserted=0, updated=10)], edited, tombstones=0) == []
    assert len(surprises([sync_run(2, read=11, inserted=1, updated=10)], edited, tombstones=0)) == 1


def test_deletes_and_moved_flights_must_be_hidden_and_nothing_else() -> None:
    moved = Edited(Edit("flights", "update", "", "", moves=True), 3)
    edited = [moved, Edited(Edit("flights", "delete", "", ""), 4), Edited(Edit("flights", "update", "", ""), 5)]
    assert surprises([], edited, tombstones=7) == []
    assert surprises([], edited, tombstones=6) == ["the edits make 7 tombstones, and the sandbox holds 6"]


def test_a_rejected_row_is_a_surprise() -> None:
    assert len(surprises([sync_run(accepted=1_233, rejected=1)], [], tombstones=0)) == 1


def test_the_folder_is_emptied_of_the_demos_own_files_only(tmp_path: Path) -> None:
    with fresh_folder(tmp_path / "demo") as folder:
        folder.warehouse.write_text("old")
        (folder.dagster / "old.txt").write_text("old")
        (folder.path / "notes.txt").write_text("mine")
    with fresh_folder(tmp_path / "demo") as folder:
        assert {path.name for path in folder.path.iterdir()} == {"dagster", "lock", "notes.txt"}
        assert {path.name for path in folder.dagster.iterdir()} == {"dagster.yaml", "workspace.yaml"}


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    refused = pytest.raises(DemoError, match="another demo is using the folder")
    with fresh_folder(tmp_path), refused, fresh_folder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoError, match="cannot use the folder"), fresh_folder(tmp_path / "file" / "demo"):
        pass


def test_the_environment_is_put_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_KEPT", "before")
    with environment({"DEMO_KEPT": "during", "DEMO_NEW": "during"}):
        assert (os.environ["DEMO_KEPT"], os.environ["DEMO_NEW"]) == ("during", "during")
    assert os.environ["DEMO_KEPT"] == "before"
    assert "DEMO_NEW" not in os.environ
