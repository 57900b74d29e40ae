"""Puts two batches through botocore, reads them back, and provokes errors: put_and_get.py URL. Prints JSON."""

import json
import sys
import time

import boto3
from botocore.config import Config

url = sys.argv[1]
logs = boto3.client("logs", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))
stream = {"logGroupName": "/judge/group", "logStreamName": "stream"}
now = int(time.time() * 1000)


def error(call):
    try:
        call()
    except logs.exceptions.ClientError as raised:
        return raised.response["Error"]["Code"]


def put(*events):
    return logs.put_log_events(**stream, logEvents=[{"timestamp": t, "message": m} for t, m in events])


result = {"missing": error(lambda: put((now, "a")))}
logs.create_log_group(logGroupName=stream["logGroupName"])
logs.create_log_stream(**stream)
result["again"] = error(lambda: logs.create_log_stream(**stream))
put((now, "é\0\n\"\\\u2028"), (now + 1, "x" * 100_000))
# The API Reference says: the first events up to the index, exclusive, are too old.
result["rejected"] = put((now - 15 * 86_400_000, "old"), (now + 2, "b"))["rejectedLogEventsInfo"]
result["unordered"] = error(lambda: put((now, "a"), (now - 1, "b")))
result["streams"] = [s["logStreamName"] for s in logs.describe_log_streams(logGroupName="/judge/group")["logStreams"]]
events = logs.get_log_events(**stream, startFromHead=True)["events"]
result["messages"] = [event["message"][:10] for event in events]
print(json.dumps(result))
