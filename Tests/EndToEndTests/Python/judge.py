"""CloudWatch Logs over TLS, for one judgement: judge.py DIRECTORY ACCESS_KEY SECRET_KEY.

Makes DIRECTORY/certificate.pem for 127.0.0.1 and prints its port. Takes every PutLogEvents whose signature botocore
computes as well, over the body as it came. When standard input ends it prints what came, as JSON.
"""

import base64
import gzip
import http.server
import json
import ssl
import subprocess
import sys
import threading

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

directory, access_key, secret_key = sys.argv[1:]
requests, faults, messages = [], [], []


def signature(headers, path, body):
    """What botocore makes of the header fields that the sender says it signed."""
    parameters = dict(part.strip().split("=", 1) for part in headers["Authorization"].split(" ", 1)[1].split(","))
    region = parameters["Credential"].split("/")[2]
    names = parameters["SignedHeaders"].split(";")
    request = AWSRequest(
        "POST",
        f"https://{headers['Host']}{path}",
        headers={name: headers[name] for name in names},
        data=body,
    )
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(access_key, secret_key), "logs", region)
    canonical = auth.canonical_request(request)
    return parameters["Signature"], auth.signature(auth.string_to_sign(request, canonical), request)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            theirs, ours = signature(self.headers, self.path, body)
            if theirs != ours:
                faults.append("the signature is wrong")
            encoding = self.headers.get("Content-Encoding", "identity")
            if encoding == "gzip":
                plain = gzip.decompress(body)
            else:
                plain = body
            requests.append({"encoding": encoding, "bytes": len(body), "plainBytes": len(plain)})
            messages.extend(event["message"] for event in json.loads(plain)["logEvents"])
        except Exception as error:
            faults.append(repr(error))
        answer = b"{}"
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


certificate, key = f"{directory}/certificate.pem", f"{directory}/key.pem"
subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    + ["-subj", "/CN=judge", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
    check=True,
    capture_output=True,
)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.buffer.read()
json.dump(
    {
        "requests": requests,
        "faults": faults,
        "messages": [base64.b64encode(message.encode()).decode() for message in messages],
    },
    sys.stdout,
)
