"""Every key of a project file: what it holds and what it is for. The checks and the JSON schema both come from here."""

from mixpanel_wh.config import syntax
from mixpanel_wh.config.kinds import ByShape, Choice, ListOf, MapOf, Parsed, text
from mixpanel_wh.config.sections import Field, SectionOf
from mixpanel_wh.engine.spec import Identity, Mode, RecordType
from mixpanel_wh.mixpanel.endpoints import REGIONS

COLUMN = text("the name of a column")
COLUMNS = ListOf(COLUMN)
FLAG = Parsed(syntax.flag, "true or false", {"type": "boolean"})
NAME = Parsed(syntax.name, "a name", {"type": "string", "pattern": f"^{syntax.NAME.pattern}$"})
LIMIT = Parsed(syntax.limit, "a limit", {"type": ["string", "integer"], "examples": ["1%", "500 rows", 500, "off"]})
RATE = Parsed(syntax.rate, "a number or off", {"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["off", False]}]})
WORD = text()
CONCURRENCY = Parsed(syntax.concurrency, "a number of requests", {"type": "integer", "minimum": 1, "maximum": 20})

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

LOCK_TIMEOUT = Field(
    Parsed(syntax.seconds, "a number of seconds", {"type": "number", "minimum": 0}),
    "how many seconds to wait for a file that another process has open (default 10)",
)
IN_FILE = {
    "staging_path": Field(
        text("the path of a file"), "a DuckDB file that holds the staging schema, relative to this file, where nothing "
        "may be written in the warehouse itself",
    ),
    "lock_timeout": LOCK_TIMEOUT,
}  # fmt: skip

DUCKDB = {
    "type": Field(Choice(("duckdb",), "a type of warehouse"), "the kind of warehouse", required=True),
    "path": Field(text("the path of a file"), "the DuckDB file, relative to this file", required=True),
    "staging_schema": Field(
        text("the name of a schema"), "the schema in which snapshots and state are kept (default mixpanel)"
    ),
    "read_only": Field(FLAG, "open the file without ever writing to it; needs staging_path (default false)"),
    "staging_path": Field(
        text("the path of a file"), "another DuckDB file that holds the staging schema, relative to this file"
    ),
    "lock_timeout": LOCK_TIMEOUT,
}

POSTGRES = {
    "type": Field(Choice(("postgres",), "a type of warehouse"), "the kind of warehouse", required=True),
    "host": Field(text("the name of a host"), "the server's name or address (default localhost)"),
    "port": Field(Parsed(syntax.port, "a port", {"type": "integer", "minimum": 1, "maximum": 65535}),
                  "the server's port (default 5432)"),
    "database": Field(text("the name of a database"), "the database; needed unless url names it"),
    "user": Field(text("the name of a user"), "the role that reads the tables and owns the staging schema"),
    "password": Field(text(), "the password of the user", secret=True),
    "sslmode": Field(Choice(SSL_MODES, "an sslmode"), "how far the connection must be encrypted, in libpq's words "
                     "(default prefer; verify-full outside of your own network)"),
    "url": Field(
        Parsed(syntax.database_url, "the address of a database", {"type": "string"}),
        "everything in one, postgresql://user:password@host:port/database; the keys beside it stand above its parts",
        secret=True,
    ),
    "schemas": Field(
        ListOf(text("the name of a schema")), "where tables named without their schema are looked for, in this order"
    ),
    "staging_schema": Field(
        text("the name of a schema"), "the schema in which snapshots and state are kept (default mixpanel)"
    ),
    "skip_partitions": Field(
        FLAG, "whether mirror leaves out partitions in which, by Postgres' statistics, nothing was written since the "
        "last run (default true)",
    ),
    "connect_timeout": Field(
        Parsed(syntax.seconds, "a number of seconds", {"type": "number", "minimum": 0}),
        "how many seconds to wait for the server (default 15)",
    ),
}  # fmt: skip

BIGQUERY = {
    "type": Field(Choice(("bigquery",), "a type of warehouse"), "the kind of warehouse", required=True),
    "project": Field(text("the id of a project"), "the Google Cloud project that runs and pays for the queries",
                     required=True),
    "dataset": Field(text("the name of a dataset"), "where tables named without their dataset are looked for: dataset, "
                     "or project.dataset"),
    "staging_schema": Field(
        text("the name of a dataset"), "the dataset in which snapshots and state are kept (default mixpanel)"
    ),
    "location": Field(text("a location"), "where the datasets are, such as EU or us-east1 (default: where dataset is)"),
    "credentials_file": Field(
        text("the path of a file"), "the key of a service account, relative to this file (default: what Google's "
        "libraries find by themselves)",
    ),
    "credentials": Field(text(), "the same key as JSON, in place of a file", secret=True),
    "maximum_bytes_billed": Field(
        Parsed(syntax.whole, "a number of bytes", {"type": ["integer", "string"]}),
        "no statement may bill more bytes than these (default: no limit of ours)",
    ),
    "labels": Field(
        MapOf(Parsed(syntax.label, "a label", {"type": "string"}), "a mapping of labels to their values"),
        "labels that every job carries, beside application: mixpanel_wh",
    ),
    "storage_api": Field(
        FLAG, "true: rows must be read over the Storage Read API; false: over REST (default: over the API where the "
        "account may use it)",
    ),
    "api_endpoint": Field(Parsed(syntax.url, "an address", {"type": "string"}), "an address in place of Google's"),
    "storage_endpoint": Field(text("a host and port"), "host:port in place of Google's Storage Read API"),
}  # fmt: skip

REDSHIFT = {
    "type": Field(Choice(("redshift",), "a type of warehouse"), "the kind of warehouse", required=True),
    "host": Field(text("the name of a host"), "the endpoint of the cluster or workgroup, without its port"),
    "port": Field(Parsed(syntax.port, "a port", {"type": "integer", "minimum": 1, "maximum": 65535}),
                  "its port (default 5439)"),
    "database": Field(text("the name of a database"), "the database", required=True),
    "user": Field(text("the name of a user"), "the user that reads the tables and owns the staging schema"),
    "password": Field(text(), "the password of the user", secret=True),
    "cluster": Field(text("the name of a cluster"), "log in to this cluster by IAM, in place of a password"),
    "workgroup": Field(text("the name of a workgroup"), "log in to this serverless workgroup by IAM"),
    "region": Field(text("the name of a region"), "the AWS region of cluster and bucket, for example us-east-1"),
    "profile": Field(text("the name of a profile"), "the AWS profile whose credentials are taken (default: AWS' own)"),
    "sslmode": Field(Choice(("disable", "verify-ca", "verify-full"), "an sslmode"),
                     "how far the server's certificate is checked (default verify-full)"),
    "schemas": Field(
        ListOf(text("the name of a schema")), "where tables named without their schema are looked for, in this order"
    ),
    "staging_schema": Field(
        text("the name of a schema"), "the schema in which snapshots and state are kept (default mixpanel)"
    ),
    "unload_to": Field(
        Parsed(syntax.s3_place, "a place in S3", {"type": "string", "pattern": "^s3://"}),
        "where large answers go on their way, s3://bucket/prefix; without it everything comes through a cursor",
    ),
    "iam_role": Field(text("the ARN of a role"), "the role by which Redshift writes there (default: its default role)"),
    "unload_rows": Field(
        Parsed(syntax.whole, "a whole number", {"type": "integer", "minimum": 0}),
        "answers of at least so many rows go through S3 (default 100000)",
    ),
    "s3_endpoint": Field(Parsed(syntax.url, "an address", {"type": "string"}), "another address of S3: a VPC endpoint"),
    "connect_timeout": Field(
        Parsed(syntax.seconds, "a number of seconds", {"type": "number", "minimum": 0}),
        "how many seconds to wait for the server (default 30)",
    ),
}  # fmt: skip

DATABRICKS = {
    "type": Field(Choice(("databricks",), "a type of warehouse"), "the kind of warehouse", required=True),
    "server_hostname": Field(text("the name of a host"), "the workspace's host, such as dbc-1234.cloud.databricks.com",
                             required=True),
    "http_path": Field(text("an HTTP path"), "the HTTP path of the SQL warehouse or cluster, as its page says",
                       required=True),
    "access_token": Field(text(), "a personal access token", secret=True),
    "client_id": Field(text("the id of a service principal"), "the application id of a service principal (OAuth)"),
    "client_secret": Field(text(), "the OAuth secret of the service principal", secret=True),
    "catalog": Field(text("the name of a catalogue"), "the catalogue of tables named without one (default main)"),
    "schemas": Field(
        ListOf(text("the name of a schema")), "the schema of tables named without one; only the first one counts"
    ),
    "staging_catalog": Field(text("the name of a catalogue"), "the catalogue of the staging schema (default: catalog)"),
    "staging_schema": Field(
        text("the name of a schema"), "the schema in which snapshots and state are kept (default mixpanel)"
    ),
}  # fmt: skip

SNOWFLAKE = {
    "type": Field(Choice(("snowflake",), "a type of warehouse"), "the kind of warehouse", required=True),
    "account": Field(text("the identifier of an account"), "the account, as in orgname-accountname", required=True),
    "user": Field(text("the name of a user"), "the user that reads the tables", required=True),
    "password": Field(text(), "the password of the user", secret=True),
    "private_key": Field(text(), "the private key of the user, as PEM text, in place of a password", secret=True),
    "private_key_path": Field(text("the path of a file"), "a file that holds the private key, relative to this file"),
    "passphrase": Field(text(), "the passphrase of the private key, where it has one", secret=True),
    "token": Field(text(), "an OAuth token, in place of a password", secret=True),
    "role": Field(text("the name of a role"), "the role that reads the tables and owns the staging schema"),
    "warehouse": Field(
        text("the name of a warehouse"), "the virtual warehouse that runs the statements", required=True
    ),
    "database": Field(text("the name of a database"), "the database that holds the tables", required=True),
    "schemas": Field(
        ListOf(text("the name of a schema")), "where tables named without their schema are looked for, in this order "
        "(default PUBLIC)",
    ),
    "staging_schema": Field(
        text("the name of a schema"), "the schema in which snapshots, streams and state are kept (default mixpanel)"
    ),
    "staging_database": Field(
        text("the name of a database"), "the database of the staging schema, where it is another one"
    ),
    "streams": Field(
        Choice(("tables", "all", "off"), "a choice of streams"),
        "of what mirror makes streams, which save it a look at every row: tables, all (views too), or off (default "
        "tables)",
    ),
    "connect_timeout": Field(
        Parsed(syntax.seconds, "a number of seconds", {"type": "number", "minimum": 0}),
        "how many seconds to wait for the login (default 30)",
    ),
    "host": Field(text("the name of a host"), "another address than the account's, such as a private link's"),
    "port": Field(Parsed(syntax.port, "a port", {"type": "integer", "minimum": 1, "maximum": 65535}),
                  "the port of that host (default 443)"),
    "protocol": Field(Choice(("https", "http"), "a protocol"), "how that host is spoken to (default https)"),
}  # fmt: skip

WAREHOUSE_FIELDS: dict[str, dict[str, Field]] = {
    "duckdb": DUCKDB,
    "bigquery": BIGQUERY | IN_FILE,
    "databricks": DATABRICKS | IN_FILE,
    "postgres": POSTGRES | IN_FILE,
    "redshift": REDSHIFT | IN_FILE,
    "snowflake": SNOWFLAKE | IN_FILE,
}
"""The fields of each kind of warehouse that `warehouses.WAREHOUSES` can open."""

RATE_FIELDS = {
    "events_per_second": Field(RATE, "at most so many events a second, or off (default 30000, Mixpanel's own limit)"),
    "bytes_per_minute": Field(
        RATE, "at most so many uncompressed bytes a minute, or off (default 2000000000, Mixpanel's own limit)"
    ),
}

DESTINATION_FIELDS = {
    "project_id": Field(
        text("the number of a project", type=["string", "integer"]), "the number of the Mixpanel project", required=True
    ),
    "token": Field(text(), "the token of the Mixpanel project", required=True, secret=True),
    "service_account": Field(text(), "the user name of a service account; lookup tables need one"),
    "service_secret": Field(text(), "the secret of the service account", secret=True),
    "region": Field(Choice(REGIONS, "a region"), "where the project lives: us, eu or in (default us)"),
    "url": Field(
        Parsed(syntax.url, "an address", {"type": "string"}),
        "an address that stands for every host of Mixpanel's: a sandbox or a proxy",
        secret=True,  # people put credentials into addresses
    ),
    "identity": Field(
        Choice(tuple(Identity), "a kind of identity"),
        "how the project was made: simplified (user_id and device_id) or original (distinct_id); default simplified",
    ),
    "rate": Field(
        ByShape(Parsed(syntax.rate_off, "a rate", {"enum": ["off", False]}), mapping=SectionOf(RATE_FIELDS, "a rate")),
        "how fast events may be sent, over all syncs of a run; off lifts both limits",
    ),
    "gzip_profiles": Field(FLAG, "compress profile updates, which Mixpanel does not document (default false)"),
    "max_concurrency": Field(CONCURRENCY, "at most so many requests at once, 1 to 20 (default 16)"),
}

PROPERTY_FIELDS = {
    "allow": Field(COLUMNS, "send these columns as properties and no others"),
    "deny": Field(COLUMNS, "never send these columns as properties"),
    "rename": Field(MapOf(text("the name of a property"), "a mapping of columns to property names"),
                    "the property's name by column, where it differs"),
    "hash": Field(COLUMNS, "send these columns as the SHA-256 of their text"),
    "send_nulls": Field(FLAG, "send NULL as null instead of leaving the property out (default false)"),
}  # fmt: skip

PARTITION_FIELDS = {
    "every": Field(Choice(("day", "hour"), "a size of partitions"), "day or hour", required=True),
    "start": Field(
        Parsed(syntax.moment, "a moment", {"type": "string", "examples": ["2026-01-01"]}),
        "when the first partition begins",
        required=True,
    ),
    "by": Field(
        Choice(("time", "insert_time"), "a moment of a row"),
        "which of the sync's columns decides: time or insert_time (default: insert_time where there is one)",
    ),
}

EVENT_FIELDS = {
    "name": Field(text("the name of an event"), "the name of every event"),
    "column": Field(COLUMN, "the column that holds each event's name"),
}

SYNC_FIELDS = {
    "table": Field(
        Parsed(syntax.table, "the name of a table", {"type": "string"}),
        "the source table or view: schema.table",
        required=True,
    ),
    "record": Field(
        Choice(tuple(RecordType), "a record type"), "what a row becomes: event, user, group or lookup", required=True
    ),
    "mode": Field(
        Choice(tuple(Mode), "a mode"),
        "mirror (what changed, deletes included), append (new rows), full (everything, each time) or one_time",
        required=True,
    ),
    "warehouse": Field(WORD, "the warehouse that holds the table, where there are several"),
    "destination": Field(WORD, "the Mixpanel project to send to, where there are several"),
    "event": Field(
        ByShape(text("the name of an event"), mapping=SectionOf(EVENT_FIELDS, "an event's name")),
        "the name of every event, or {column: ...} for a column that holds it",
    ),
    "time": Field(COLUMN, "the column that says when the event happened"),
    "user_id": Field(COLUMN, "the column of the user's id, in a project with simplified identity"),
    "device_id": Field(COLUMN, "the column of the device's id, in a project with simplified identity"),
    "distinct_id": Field(COLUMN, "the column of the profile's id; of an event's distinct_id under original identity"),
    "group_keys": Field(
        MapOf(text("the name of a group key"), "a mapping of columns to group keys"),
        "columns that hold group ids, each with its group key in Mixpanel",
    ),
    "group_key": Field(text("the name of a group key"), "the group key, as it is called in Mixpanel"),
    "group_id": Field(COLUMN, "the column of the group's id"),
    "lookup_table": Field(text("the id of a lookup table"), "the id of the lookup table in Mixpanel"),
    "lookup_id": Field(COLUMN, "the column that identifies a row of the lookup table"),
    "row_key": Field(COLUMNS, "the columns that together identify a row; without them equal rows are told apart"),
    "on_duplicate_key": Field(
        Choice(("stop", "reject"), "an answer to repeated keys"),
        "stop the run before it sends (default), or reject the rows whose key is repeated and send the rest",
    ),
    "json": Field(COLUMN, "a column of JSON objects whose members become properties"),
    "ip": Field(COLUMN, "the column of the address from which Mixpanel tells where the user is"),
    "properties": Field(SectionOf(PROPERTY_FIELDS, "a choice of properties"), "which columns become properties"),
    "unset_nulls": Field(FLAG, "remove the properties that are NULL from a profile (mirror always does)"),
    "insert_time": Field(COLUMN, "the column that says when a row was written; append reads what is newer"),
    "lookback": Field(
        Parsed(syntax.span, "a span of time", {"type": "string", "examples": ["1 day", "6 hours"]}),
        "how late a row may arrive and still be found by append (default: not at all)",
    ),
    "start_at": Field(
        Parsed(syntax.moment, "a moment", {"type": "string", "examples": ["2026-01-31"]}),
        "the first append run begins here instead of at the oldest row",
    ),
    "timezone": Field(
        Parsed(syntax.zone, "a time zone", {"type": "string", "examples": ["America/New_York"]}),
        "the zone of times that are stored without one (default UTC)",
    ),
    "max_rejected": Field(LIMIT, "stop without committing when more rows are rejected (default 1%, at least 20)"),
    "max_deletes": Field(LIMIT, "stop before sending when mirror would delete more rows (default off)"),
    "max_changes": Field(LIMIT, "stop before sending when mirror would update and delete more rows (default off)"),
    "engine": Field(WORD, "who moves the rows: mixpanel_wh"),
    "schedule": Field(
        Parsed(syntax.schedule, "a schedule", {"type": "string", "examples": ["hourly", "daily", "30 6 * * *"]}),
        "when Dagster runs the sync: hourly, daily, weekly, or five cron fields",
    ),
    "partitions": Field(SectionOf(PARTITION_FIELDS, "partitions"), "days or hours that Dagster can send again alone"),
    "after_upstream": Field(FLAG, "Dagster runs the sync whenever the asset that makes its table was updated"),
    "reconciliation": Field(
        Parsed(syntax.reconciliation, "a kind of reconciliation", {"enum": ["counts", "content", "off", False]}),
        "what Dagster's check compares with Mixpanel: counts (default), content (record by record), or off",
    ),
    "description": Field(text(), "what the asset's page says"),
    "group": Field(Parsed(syntax.group, "a group of assets", {"type": "string"}), "the asset's group in Dagster"),
    "owners": Field(
        ListOf(Parsed(syntax.owner, "an owner", {"type": "string"})), "the asset's owners: addresses or team:name"
    ),
    "tags": Field(MapOf(text(), "a mapping of tags"), "the asset's tags in Dagster"),
}

SYNC = "a sync"
DESTINATION = SectionOf(DESTINATION_FIELDS, "a destination")
