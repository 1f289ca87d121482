"""What BigQuery's client is told, and what it makes of the answers: limits on bytes, refusals, lost races, roles."""

import json
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions as google

from mixpanel_wh.engine.errors import ConfigError, MixpanelWhError, SourceError, StagingError, WarehouseUnavailable
from mixpanel_wh.engine.ports import Part
from mixpanel_wh.engine.spec import TableName
from mixpanel_wh.engine.state import Lease
from mixpanel_wh.warehouses import open_warehouse
from mixpanel_wh.warehouses.bigquery.loading import rows_as_json
from mixpanel_wh.warehouses.bigquery.session import in_requests, script
from mixpanel_wh.warehouses.bigquery.trouble import Place, explained
from mixpanel_wh.warehouses.check import missing_tables, setup_statements
from mixpanel_wh_tests.stand_ins.bigquery_answers import PROJECT, Answer, AnsweringBigQuery, Refusal
from mixpanel_wh_tests.warehouses.asking import event_spec, read, user_spec
from mixpanel_wh_tests.warehouses.bigquery_told import COLUMNS, NOW, PEOPLE, READ, opened


def test_a_dry_run_says_first_what_a_query_would_scan_and_too_much_is_never_run(told: AnsweringBigQuery) -> None:
    told.answers = [Answer("FROM `shop`.`people`", READ, bytes=12_345_678_901)]
    with (
        opened(told, maximum_bytes_billed=10_000_000_000) as warehouse,
        pytest.raises(SourceError, match=r"12\.35 GB, more than maximum_bytes_billed allows \(10\.00 GB\): raise it"),
    ):
        read(warehouse, user_spec(PEOPLE))
    assert told.statements == []
    assert [job["dryRun"] for job in told.jobs] == [True]


def test_the_bytes_of_a_query_that_is_run_are_in_the_log(
    told: AnsweringBigQuery, caplog: pytest.LogCaptureFixture
) -> None:
    told.answers = [Answer("FROM `shop`.`people`", READ, [["a", "a", "Ann"]], bytes=12_345_678_901)]
    with caplog.at_level("INFO", "mixpanel_wh"), opened(told) as warehouse:
        assert len(read(warehouse, user_spec(PEOPLE))) == 1
    assert "a query of BigQuery is to scan 12.35 GB" in caplog.text


def test_a_statement_that_bigquery_stops_for_its_bytes_is_told_in_a_sentence(told: AnsweringBigQuery) -> None:
    told.refusals = [Refusal("count", 400, "bytesBilledLimitExceeded",
                             "Query exceeded limit for bytes billed: 1000000000. 10485760000 or higher required.",
                             in_job=True)]  # fmt: skip
    with (
        opened(told, maximum_bytes_billed=1_000_000_000) as warehouse,
        pytest.raises(SourceError, match=r"\(10\.49 GB of 1\.00 GB\): raise it, send fewer columns"),
    ):
        warehouse.tables.count(user_spec(PEOPLE))
    assert told.jobs[0]["query"]["maximumBytesBilled"] == "1000000000"


def test_every_job_has_labels_and_its_values_as_parameters_with_types(told: AnsweringBigQuery) -> None:
    told.table("shop.visits", {"id": "INTEGER", "at": "TIMESTAMP"})
    told.answers = [Answer(r"SELECT count\(\*\) FROM", {"n": "INTEGER"}, [[7]])]
    spec = event_spec(TableName(("shop", "visits")), event_name='It\'s "seen" @mp_timezone `x`', timezone="Asia/Tokyo")
    with opened(told, labels={"team": "growth"}) as warehouse:
        assert warehouse.tables.count(spec, Part("at", 1, 2)) == 7
    (job,) = told.jobs
    assert job["labels"] == {"application": "mixpanel_wh", "team": "growth"}
    given = {one["name"]: (one["parameterType"]["type"], one["parameterValue"]["value"])
             for one in job["query"]["queryParameters"]}  # fmt: skip
    assert given == {"mp_since": ("INT64", "1"), "mp_before": ("INT64", "2")}
    assert job["query"]["useLegacySql"] is False
    assert "seen" not in job["query"]["query"]


def test_jobs_run_where_the_dataset_is(told: AnsweringBigQuery) -> None:
    with opened(told) as warehouse:
        assert warehouse.session.jobs.location == "EU"
    assert told.calls == ["GET /datasets/shop"]


@pytest.mark.parametrize(
    ("refusal", "error", "sentences"),
    [
        (
            Refusal("POST", 403, "accessDenied", "Access Denied: Project shop-project: User does not have "
                    "bigquery.jobs.create permission in project shop-project."),
            WarehouseUnavailable,
            ("may not run jobs in project shop-project", "add-iam-policy-binding shop-project", "roles/bigquery.jobUser"),
        ),
        (
            Refusal("POST", 403, "accessDenied", "Access Denied: Table shop-project:shop.people: User does not have "
                    "permission to query table shop-project:shop.people, or perhaps it does not exist."),
            SourceError,
            ("may not read shop.people: run  GRANT `roles/bigquery.dataViewer` ON SCHEMA `shop-project`.`shop` TO",),
        ),
        (
            Refusal("POST", 403, "accessDenied", "Access Denied: Dataset shop-project:mixpanel: Permission "
                    "bigquery.tables.create denied on dataset shop-project:mixpanel (or it may not exist)."),
            StagingError,
            ("may not write in the staging dataset mixpanel: run  GRANT `roles/bigquery.dataOwner` ON SCHEMA",),
        ),
        (
            Refusal("POST", 403, "accessDenied", "Access Denied: Project shop-project: User does not have "
                    "bigquery.datasets.create permission in project shop-project."),
            StagingError,
            ("may not make the staging dataset mixpanel", "CREATE SCHEMA `shop-project`.`mixpanel`"),
        ),
        (
            Refusal("POST", 403, "accessDenied", "BigQuery API has not been used in project 1234 before or it is disabled."),
            WarehouseUnavailable,
            ("gcloud services enable bigquery.googleapis.com --project=shop-project",),
        ),
        (
            Refusal("POST", 403, "accessDenied", "BigQuery Storage API has not been used in project 1234 before or it is "
                    "disabled."),
            WarehouseUnavailable,
            ("BigQuery Storage API is off", "gcloud services enable bigquerystorage.googleapis.com"),
        ),
        (
            Refusal("POST", 403, "accessDenied", "Access Denied: BigQuery BigQuery: Time travel on table "
                    "shop-project:shop.people is forbidden as it has (or has had) row access policies."),
            SourceError,
            ("reads shop-project:shop.people as of one moment", "sync a view of it, or grant bigquery.rowAccessPolicies"),
        ),
        (
            Refusal("POST", 403, "quotaExceeded", "Quota exceeded: Your project exceeded quota for concurrent queries."),
            WarehouseUnavailable,
            ("quota is used up", "wait, or raise it"),
        ),
        (
            Refusal("POST", 400, "invalidQuery", "Unrecognized name: colour at [1:8]"),
            SourceError,
            ("refused a statement on the source table: Unrecognized name: colour",),
        ),
        (
            Refusal("POST", 404, "notFound", "Not found: Dataset shop-project:shop was not found in location US"),
            SourceError,
            ("does not find what the sync reads", "datasets are looked for in EU"),
        ),
    ],
)  # fmt: skip
def test_a_refusal_becomes_a_sentence_that_says_what_grants_it(
    told: AnsweringBigQuery, refusal: Refusal, error: type[MixpanelWhError], sentences: tuple[str, ...]
) -> None:
    told.refusals = [refusal]
    with opened(told) as warehouse, pytest.raises(error) as caught:
        warehouse.tables.count(user_spec(PEOPLE))
    for sentence in sentences:
        assert sentence in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_limit_on_changes_of_a_table_that_stays_reached_is_a_matter_of_waiting() -> None:
    error = google.BadRequest(  # type: ignore[no-untyped-call]
        "Exceeded rate limits: too many table update operations for this table.", errors=[{"reason": "jobRateLimitExceeded"}]
    )
    told = explained(error, Place("shop", "mixpanel"))
    assert isinstance(told, WarehouseUnavailable)
    assert "wait, or raise it, and run again" in str(told)


def test_check_names_the_missing_role_without_running_a_query(told: AnsweringBigQuery) -> None:
    told.refusals = [Refusal("SELECT", 403, "accessDenied", "Access Denied: Table shop-project:shop.people: User does "
                             "not have permission to query table shop-project:shop.people")]  # fmt: skip
    with opened(told) as warehouse:
        (problem,) = missing_tables(warehouse, [user_spec(PEOPLE)])
    assert "sync people: the account may not read shop.people: run  GRANT `roles/bigquery.dataViewer`" in problem
    assert told.statements == []


def test_check_names_the_role_of_the_storage_read_api_as_a_problem_only_where_that_is_demanded(told: AnsweringBigQuery) -> None:
    told.table("shop.seen", COLUMNS, type="VIEW")
    specs = [user_spec(PEOPLE), user_spec(TableName(("shop", "seen")))]
    lacks = "the account may not use the Storage Read API in project shop-project: run  gcloud "
    with opened(told, storage_endpoint=told.storage, storage_api=True) as warehouse:
        (problem,) = missing_tables(warehouse, specs)
        assert [warehouse.tables.advice(spec) for spec in specs] == [[], []]
    assert problem.startswith(f"sync people: {lacks}")
    assert problem.endswith("--role=roles/bigquery.readSessionUser,  or set storage_api: false")
    with opened(told, storage_endpoint=told.storage) as warehouse:
        assert missing_tables(warehouse, specs) == []
        advice, nothing = (warehouse.tables.advice(spec) for spec in specs)
    assert (advice[0].startswith(f"rows come over REST, some ten times slower, since {lacks}"), nothing) == (True, [])
    with opened(told, storage_endpoint=told.storage, storage_api=False) as warehouse:
        assert missing_tables(warehouse, specs) == []
        assert warehouse.tables.advice(specs[0]) == []


def test_rows_come_over_rest_where_the_storage_read_api_is_not_granted(
    told: AnsweringBigQuery, caplog: pytest.LogCaptureFixture
) -> None:
    told.answers = [Answer("FROM `shop`.`people`", READ, [["a", "a", "Ann"], ["b", "b", None]], paged=True)]
    rows = [{"_mp_key": "a", "_mp_user": "a", "name": "Ann"}, {"_mp_key": "b", "_mp_user": "b", "name": None}]
    with opened(told, storage_endpoint=told.storage) as warehouse:
        assert read(warehouse, user_spec(PEOPLE)) == rows
    assert "grant roles/bigquery.readSessionUser" in caplog.text
    with opened(told, storage_endpoint=told.storage, storage_api=False) as warehouse:
        assert read(warehouse, user_spec(PEOPLE)) == rows


def test_whoever_demands_the_storage_read_api_is_told_the_role(told: AnsweringBigQuery) -> None:
    told.answers = [Answer("FROM `shop`.`people`", READ, [["a", "a", "Ann"]] * 3, paged=True)]
    with (
        opened(told, storage_endpoint=told.storage, storage_api=True) as warehouse,
        pytest.raises(WarehouseUnavailable, match=r"roles/bigquery\.readSessionUser,  or set storage_api: false"),
    ):
        read(warehouse, user_spec(PEOPLE))


def test_an_answer_that_is_too_large_goes_through_a_table_of_the_staging_dataset(told: AnsweringBigQuery) -> None:
    told.answers = [Answer("FROM `shop`.`people`", READ, [["a", "a", "Ann"]])]
    told.refusals = [Refusal("^SELECT", 403, "responseTooLarge", "Response too large to return. Consider specifying a "
                             "destination table in your job configuration.", times=1, in_job=True)]  # fmt: skip
    with opened(told) as warehouse:
        first = [job for job in told.jobs if not job.get("dryRun")]
        assert first == []
        assert [row["name"] for row in read(warehouse, user_spec(PEOPLE))] == ["Ann"]
    target = told.jobs[-1]["query"]["destinationTable"]
    assert target["datasetId"] == "mixpanel"
    assert told.calls[-1] == f"DELETE /datasets/mixpanel/tables/{target['tableId']}"


def test_what_lost_against_another_write_is_run_again(told: AnsweringBigQuery) -> None:
    for message in ("Transaction is aborted due to concurrent update against table shop-project:mixpanel.checkpoints.",
                    "Could not serialize access to table shop-project:mixpanel.leases due to concurrent update",
                    "Resources exceeded during query execution: Too many DML statements outstanding against table "
                    "shop-project:mixpanel.leases, limit is 20."):  # fmt: skip
        told.refusals, told.refused = [Refusal("DELETE", 400, "invalidQuery", message, times=2, in_job=True)], {}
        told.jobs.clear()
        with opened(told) as warehouse:
            warehouse.session.execute("DELETE FROM `mixpanel`.`leases` WHERE TRUE")
        assert len(told.statements) == 3


def test_what_changes_rows_in_a_transaction_is_one_script_with_parameters_of_its_own(told: AnsweringBigQuery) -> None:
    with opened(told) as warehouse:
        with warehouse.transaction():
            for sync in ("one", "two"):
                warehouse.session.execute(
                    "DELETE FROM t WHERE sync = @mp_sync AND note <> '@mp_sync'", {"sync": sync, "unused": 1}
                )
            assert told.statements == []
        with warehouse.transaction(), pytest.raises(InterruptedError), warehouse.transaction():
            raise InterruptedError
    (job,) = told.jobs
    assert job["query"]["query"] == (
        "BEGIN TRANSACTION;\nDELETE FROM t WHERE sync = @mp_s0_sync AND note <> '@mp_sync';\n"
        "DELETE FROM t WHERE sync = @mp_s1_sync AND note <> '@mp_sync';\nCOMMIT TRANSACTION;"
    )
    given = {one["name"]: one["parameterValue"]["value"] for one in job["query"]["queryParameters"]}
    assert given == {"mp_s0_sync": "one", "mp_s1_sync": "two"}


def test_two_first_leases_at_one_moment_both_give_way(told: AnsweringBigQuery) -> None:
    for table in ("checkpoints", "pending_runs", "leases", "rejected_rows", "run_results", "snapshots"):
        told.table(f"mixpanel.{table}", {"sync": "STRING"})
    until = NOW.isoformat()
    told.answers = [
        Answer("SELECT holder", {"holder": "STRING", "expires_at": "STRING"}, [["me", until], ["other", until]])
    ]
    with opened(told) as warehouse:
        held = warehouse.state.acquire(Lease("people", "me", NOW))
    assert held == Lease("people", "other", NOW)
    assert told.statements[0].startswith("MERGE INTO `shop-project`.`mixpanel`.`leases`")
    assert told.statements[-1].startswith("DELETE FROM `shop-project`.`mixpanel`.`leases`")


def test_a_staging_dataset_in_another_location_is_told_by_both(told: AnsweringBigQuery) -> None:
    told.table("mixpanel.leases", {"sync": "STRING"})
    told.places["mixpanel"] = "US"
    with (
        opened(told) as warehouse,
        pytest.raises(StagingError, match=r"staging dataset mixpanel is in US, and what is synced in EU: set staging_schema"),
    ):
        warehouse.state.acquire(Lease("people", "me", NOW))
    with opened(told, location="us") as warehouse:
        warehouse.state.acquire(Lease("people", "me", NOW))


def test_rows_that_a_statement_carries_fit_a_request_however_they_are_written() -> None:
    texts = ['"' * 500_000, "ж" * 500_000, "🙂" * 500_000] * 2
    parts = list(rows_as_json([pa.record_batch({"row_key": pa.array(texts)})]))
    assert [text for part in parts for (text,) in json.loads(part)] == texts
    assert max(len(json.dumps(part)) for part in parts) < 10_000_000
    statements = [("INSERT INTO t SELECT @mp_rows", {"rows": part}) for part in parts]
    for request in in_requests(statements):
        assert len(json.dumps(script(request))) < 10_000_000


def test_a_missing_dataset_is_made_only_where_it_is_known_where(told: AnsweringBigQuery) -> None:
    lease = Lease("people", "me", NOW)
    with (
        closing(open_warehouse("bigquery", {"project": PROJECT, "api_endpoint": told.api})) as warehouse,
        pytest.raises(StagingError, match=r"no dataset shop-project\.mixpanel for snapshots.*set location"),
    ):
        warehouse.state.acquire(lease)
    with opened(told) as warehouse:
        warehouse.state.acquire(lease)
    assert told.statements[0] == "CREATE SCHEMA IF NOT EXISTS `shop-project`.`mixpanel`"


def test_a_table_without_its_dataset_and_a_wrong_name_are_told_apart(told: AnsweringBigQuery) -> None:
    with closing(open_warehouse("bigquery", {"project": PROJECT, "api_endpoint": told.api})) as warehouse:
        with pytest.raises(SourceError, match=r"named without its dataset: write dataset\.table"):
            warehouse.tables.describe(TableName(("people",)))
        with pytest.raises(SourceError, match=r"no table shop\.peopel in the warehouse; did you mean people"):
            warehouse.tables.describe(TableName(("shop", "peopel")))


def test_wrong_credentials_are_told_without_a_word_of_them(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "-----BEGIN PRIVATE KEY-----very-secret"
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": secret}))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    for given in ({"credentials_file": str(key)}, {"credentials": key.read_text()}, {"credentials": "no JSON " + secret},
                  {"credentials_file": str(tmp_path / "none.json")}):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            open_warehouse("bigquery", {"project": PROJECT, **given})
        assert "credentials" in str(caught.value)
        assert secret not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_key_that_google_does_not_take_is_told_without_a_word_of_it(told: AnsweringBigQuery) -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    given = {"type": "service_account", "project_id": PROJECT, "private_key_id": "k", "private_key": key.decode(),
             "client_email": "sync@example.com", "client_id": "1", "token_uri": f"{told.api}/token"}  # fmt: skip
    with pytest.raises(WarehouseUnavailable) as caught:
        open_warehouse("bigquery", told.settings(credentials=json.dumps(given)))
    assert "Google refused the credentials for BigQuery: check that the service account still has the key" in str(
        caught.value
    )
    assert key.decode() not in repr(caught.value)


def test_setup_statements_give_the_roles_that_are_needed_and_no_more() -> None:
    settings = {"project": "shop", "dataset": "sales", "location": "EU"}
    specs = [user_spec(TableName(("people",))), event_spec(TableName(("raw", "visits"))),
             event_spec(TableName(("other", "raw", "visits")))]  # fmt: skip
    account = "serviceAccount:mixpanel@shop.iam.gserviceaccount.com"
    assert setup_statements("bigquery", settings, specs) == [
        f"-- gcloud projects add-iam-policy-binding shop --member={account} --role=roles/bigquery.jobUser",
        f"-- gcloud projects add-iam-policy-binding shop --member={account} --role=roles/bigquery.readSessionUser",
        "CREATE SCHEMA IF NOT EXISTS `shop`.`mixpanel` OPTIONS (location = 'EU')",
        f'GRANT `roles/bigquery.dataOwner` ON SCHEMA `shop`.`mixpanel` TO "{account}"',
        f'GRANT `roles/bigquery.dataViewer` ON SCHEMA `shop`.`sales` TO "{account}"',
        f'GRANT `roles/bigquery.dataViewer` ON SCHEMA `shop`.`raw` TO "{account}"',
        f'GRANT `roles/bigquery.dataViewer` ON SCHEMA `other`.`raw` TO "{account}"',
    ]
    elsewhere = setup_statements("bigquery", {"project": "shop", "dataset": "lake.sales"}, specs[:1])
    assert elsewhere[2].startswith("-- location is not set: where the tables are not in the US, add  OPTIONS (location")
    assert elsewhere[3] == "CREATE SCHEMA IF NOT EXISTS `shop`.`mixpanel`"
    assert elsewhere[-1] == f'GRANT `roles/bigquery.dataViewer` ON SCHEMA `lake`.`sales` TO "{account}"'
