"""Creates a user that may do what is named: create_user.py URL ACTION... Prints its key pair as JSON.

Makes exactly three calls: so many are free before moto demands a signature.
"""

import json
import sys

import boto3

url, *actions = sys.argv[1:]
iam = boto3.client("iam", endpoint_url=url)
iam.create_user(UserName="shipper")
key = iam.create_access_key(UserName="shipper")["AccessKey"]
policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
}
iam.put_user_policy(UserName="shipper", PolicyName="shipping", PolicyDocument=json.dumps(policy))
print(json.dumps({name: key[name] for name in ("AccessKeyId", "SecretAccessKey")}))
