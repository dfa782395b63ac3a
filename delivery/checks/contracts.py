"""What datacontract-cli has against contracts and their tables: {name: {whole, tested}} in,
{name: {checks, wrong, warned}} out.

`whole` is the contract as it stands, which is linted; by `tested` its table is looked at, on SPARK_REMOTE.
Runs in an environment of delivery/checks.
"""

import json
import logging
import sys

from datacontract.data_contract import DataContract
from pyspark.sql import SparkSession

logging.disable(logging.ERROR)  # it asks for a catalog's own tables, which open-source Spark has not
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
