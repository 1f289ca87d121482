"""The table of the acceptance tests in Redshift: the same columns as elsewhere, lists and records as SUPER."""

from mixpanel_wh_tests.acceptance.server_visits import ServerVisits

TYPES = """
CREATE TABLE visits (
    id varchar(40), at timestamp, who varchar(300), label varchar(max), amount bigint, ratio double precision,
    price numeric(12,2), active boolean, born date, seen timestamptz, tags super, place super, written timestamp,
    total numeric(38,10), small smallint, clock time, code char(3)
) DISTSTYLE KEY DISTKEY (id) SORTKEY (at)
"""
ROWS = r"""
INSERT INTO visits SELECT
    'v' || n, TIMESTAMP '2024-03-01' + n * INTERVAL '977 seconds', CASE WHEN n % 5 <> 0 THEN 'user ' || (n % 7) END,
    CASE WHEN n % 3 = 0 THEN 'naïve "' || n || '"\n\\\t🙂' END,
    CASE WHEN n % 4 = 0 THEN 9007199254740992 + n ELSE n END,
    CASE WHEN n % 6 = 0 THEN 'NaN' ELSE CAST(n / 3.0 AS double precision) END, n / 4.0,
    CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END, DATE '1999-12-31' + n,
    CAST('2024-03-01 12:00:00.25+02' AS timestamptz) + n * INTERVAL '1 hour',
    CASE WHEN n % 2 = 0 THEN JSON_PARSE('["a", null, "b\\"' || n || '"]') END,
    JSON_PARSE('{"city": "c' || n || '", "lat": ' || CAST(n / 8.0 + 0.0625 AS double precision) || '}'),
    TIMESTAMP '2024-03-01' + n / 4 * INTERVAL '1 minute', CASE WHEN n % 7 > 0 THEN n + 0.125 END, n % 100,
    CAST('12:00:00' AS time) + n * INTERVAL '1 second', 'c' || n % 10
FROM generate_series(FIRST, LAST - 1) AS n
"""
SHOWN = {"place": "CAST(place AS jsonb)", "tags": "CAST(tags AS jsonb)", "ratio": "NULLIF(ratio, 'NaN')",
         "clock": "CAST(clock AS varchar(20))", "code": "CAST(code AS varchar(3))"}  # fmt: skip
VISITS = ServerVisits("redshift", TYPES, ROWS, SHOWN)
