"""Signs what standard input asks for, as botocore does: a JSON object a line in, a JSON string a line out.

The answer is what botocore would put into Authorization, then a line break and its canonical request.
"""

import base64
import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

for line in sys.stdin:
    asked = json.loads(line)
    headers = HTTPHeaders()
    for name, value in asked["headers"]:
        headers.add_header(name, value)
    request = AWSRequest(
        method=asked["method"],
        url="https://example.amazonaws.com" + asked["path"],
        headers=headers,
        params=[tuple(pair) for pair in asked["query"]],
        data=base64.b64decode(asked["body"]),
    )
    credentials = Credentials(asked["key"], asked["secret"], asked["token"])
    signer = SigV4Auth(credentials, asked["service"], asked["region"])
    # What add_auth does, but for the time, which it takes from the clock.
    request.context["timestamp"] = asked["timestamp"]
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)
    print(json.dumps(request.headers["Authorization"] + "\n" + canonical))
