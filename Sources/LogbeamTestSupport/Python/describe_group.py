"""Describes a log group: describe_group.py URL GROUP. Prints its retention, its key and its tags as JSON."""

import json
import sys

import boto3

url, name = sys.argv[1:]
logs = boto3.client("logs", endpoint_url=url)
groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
(group,) = [group for group in groups if group["logGroupName"] == name]
tags = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
json.dump(
    {"retentionInDays": group.get("retentionInDays"), "kmsKeyId": group.get("kmsKeyId"), "tags": tags},
    sys.stdout,
)
