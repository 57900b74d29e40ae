"""Reads all events of a log stream: read_back.py URL GROUP STREAM. Prints them as JSON, the messages in base64."""

import base64
import json
import sys

import boto3

url, group, stream = sys.argv[1:]
logs = boto3.client("logs", endpoint_url=url)
request = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
events = []
while True:
    page = logs.get_log_events(**request)
    events += page["events"]
    # The end of the stream gives back the token that was sent.
    if page["nextForwardToken"] == request.get("nextToken"):
        break
    request["nextToken"] = page["nextForwardToken"]
json.dump(
    [
        {"timestamp": event["timestamp"], "message": base64.b64encode(event["message"].encode()).decode()}
        for event in events
    ],
    sys.stdout,
)
