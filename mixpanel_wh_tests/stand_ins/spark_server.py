"""Real Spark SQL for the tests, in an environment of its own: a statement a line comes in as JSON, its rows go out."""

import json
import sys

from pyspark.sql import SparkSession

SETTINGS = {
    "spark.sql.ansi.enabled": "true",  # as on Databricks
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}


def main() -> None:
    """Answer until the other side closes its end."""
    builder = SparkSession.builder.master("local[2]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(spark, json.loads(line)), default=str), flush=True)


def answer(spark: SparkSession, asked: dict[str, object]) -> dict[str, object]:
    """The rows of a statement, or why it failed; bytes as hex."""
    try:
        rows = spark.sql(asked["sql"], args=asked["args"]).collect()
    except Exception as error:
        return {"error": str(error)[:1000]}
    return {"rows": [[bytes(one).hex() if isinstance(one, bytearray | bytes) else one for one in row] for row in rows]}


if __name__ == "__main__":
    main()
