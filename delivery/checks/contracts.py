"""Check contracts and their tables with datacontract-cli.

The input is JSON {name: {whole, tested}}, the output JSON {name: {checks, wrong, warned}}. The script lints the
contract in `whole` and tests the table on SPARK_REMOTE against the one in `tested`. It runs in an environment of
delivery/checks.
"""

import json
import logging
import sys

from datacontract.data_contract import DataContract
from pyspark.sql import SparkSession

logging.disable(logging.ERROR)  # it queries the catalog's own tables, which open-source Spark does not have
spark = SparkSession.builder.getOrCreate()

found = {}
for name, contract in json.load(sys.stdin).items():
    runs = [DataContract(data_contract_str=contract["whole"]).lint()]
    if runs[0].result == "passed":
        runs.append(DataContract(data_contract_str=contract["tested"], spark=spark).test())
    checks = [check for run in runs for check in run.checks]
    wrong = [f"{check.name}: {check.reason}" for check in checks if check.result not in ("passed", "warning")]
    warned = [f"{check.name}: {check.reason}" for check in checks if check.result == "warning"]
    found[name] = {"checks": len(checks), "wrong": wrong, "warned": warned}
json.dump(found, sys.stdout)
