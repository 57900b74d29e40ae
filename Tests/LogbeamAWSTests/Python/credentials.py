"""What botocore makes of each of a list of environments.

Reads a JSON array from standard input; writes one with an object for each element. An element has the variables, the name
of a profile that was chosen by name or null, and the host that stands for the agent of ECS. All that is asked is on
loopback; no request for CloudWatch Logs leaves the process.
"""

import json
import os
import sys

import botocore.credentials
import botocore.session
import botocore.tokens
import botocore.utils
from botocore.awsrequest import AWSResponse
from botocore.loaders import Loader

LOADER = Loader()
fetcher = botocore.utils.ContainerMetadataFetcher
fetcher.SLEEP_TIME = 0
# The machine may be busy with other tests.
fetcher.TIMEOUT_SECONDS = 60


class Body:
    def stream(self, **kwargs):
        yield b"{}"


def judge(row):
    os.environ.clear()
    os.environ.update(row["variables"])
    fetcher.IP_ADDRESS = row["agent"]
    # Expanded when the modules are imported, by the HOME of that moment.
    cache = os.path.expanduser("~/.aws/sso/cache")
    botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR = cache
    botocore.tokens.SSOTokenProvider._SSO_TOKEN_CACHE_DIR = cache
    result = {}
    try:
        session = botocore.session.Session(profile=row["profile"])
        session.register_component("data_loader", LOADER)
        credentials = session.get_credentials()
        if credentials is not None:
            frozen = credentials.get_frozen_credentials()
            result["source"] = credentials.method
            result["accessKeyID"] = frozen.access_key
            result["sessionToken"] = frozen.token or ""
    except Exception as error:
        result = {"credentialsError": f"{type(error).__name__}: {error}"}
    try:
        session = botocore.session.Session(profile=row["profile"])
        session.register_component("data_loader", LOADER)
        # Who may sign has nothing to do with where it goes.
        client = session.create_client(
            "logs", aws_access_key_id="A", aws_secret_access_key="S"
        )
        sent = []

        def send(request, **kwargs):
            sent.append(request.url)
            return AWSResponse(request.url, 200, {}, Body())

        client.meta.events.register("before-send", send)
        client.describe_log_groups()
        result["region"] = client.meta.region_name
        result["url"] = sent[0]
    except Exception as error:
        result["endpointError"] = f"{type(error).__name__}: {error}"
    return result


json.dump([judge(row) for row in json.load(sys.stdin)], sys.stdout)
