"""The table of the acceptance tests in Postgres: the same columns as elsewhere, and more types."""

from mixpanel_wh_tests.acceptance.server_visits import ServerVisits

TYPES = """
CREATE TYPE spot AS (city text, lat double precision);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN cents AS numeric(12,2);
CREATE TABLE visits (
    id text, at timestamp, who text, label text, amount bigint, ratio double precision, price cents, active boolean,
    born date, seen timestamp with time zone, tags text[], place spot, raw bytea, written timestamp,
    total numeric, feeling mood, paper json, code uuid, grid integer[]
)
"""
ROWS = """
INSERT INTO visits SELECT
    'v' || n, TIMESTAMP '2024-03-01' + n * INTERVAL '977 seconds', CASE WHEN n % 5 <> 0 THEN 'user ' || (n % 7) END,
    CASE WHEN n % 3 = 0 THEN E'naïve "' || n || E'"\\n\\\\\\t🙂' END,
    CASE WHEN n % 4 = 0 THEN 9007199254740992 + n ELSE n END,
    CASE WHEN n % 6 = 0 THEN 'NaN' ELSE n / 3.0::double precision END, n / 4.0,
    CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END, DATE '1999-12-31' + n,
    TIMESTAMPTZ '2024-03-01 12:00:00.25+02' + n * INTERVAL '1 hour',
    CASE WHEN n % 2 = 0 THEN ARRAY['a', NULL, 'b"' || n] END, ROW('c' || n, n / 8.0 + 0.0625)::spot,
    CASE WHEN n % 4 = 1 THEN '\\x00FF'::bytea END, TIMESTAMP '2024-03-01' + n / 4 * INTERVAL '1 minute',
    CASE WHEN n % 7 = 0 THEN 'NaN' ELSE n + 0.125 END, (ARRAY['sad', 'ok', 'happy'])[n % 3 + 1]::mood,
    CASE WHEN n % 3 = 1 THEN to_json(ARRAY[n, NULL]) END, md5('' || n)::uuid, ARRAY[[n, 1], [2, NULL]]
FROM generate_series(FIRST, LAST - 1) AS n
"""
SHOWN = {"place": "row_to_json(place)", "ratio": "NULLIF(ratio, 'NaN')", "total": "NULLIF(total, 'NaN')"}
VISITS = ServerVisits("postgres", TYPES, ROWS, SHOWN)
