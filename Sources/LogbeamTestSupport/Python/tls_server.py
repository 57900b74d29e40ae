"""HTTP/2 and HTTP/1.1 over TLS: tls_server.py CERTIFICATE KEY PROTOCOL...

Prints its port; then a JSON object a line: one for each connection, when its TLS stands, and one for each request. Says of
each request whether botocore computes the same signature over it with AWS_SECRET_ACCESS_KEY (null where it has none).
Answers {} with status 200; a request whose path ends in "/last" is the last of its connection, and one whose path ends in
"/elsewhere" is sent to the path "/there". Ends with its standard input.
"""

import itertools
import json
import os
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

certificate, key, *protocols = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.set_alpn_protocols(protocols)
output = threading.Lock()


def say(**members):
    with output:
        print(json.dumps(members), flush=True)


def signature_is_right(method, path, headers, body):
    if "authorization" not in headers:
        return None
    parameters = dict(part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(","))
    if "Credential" not in parameters:
        return False
    _, _, region, service, _ = parameters["Credential"].split("/")
    names = parameters["SignedHeaders"].split(";")
    request = AWSRequest(
        method,
        f"https://{headers['host']}{path}",
        headers={name: headers[name] for name in names},
        data=body,
    )
    request.context["timestamp"] = headers["x-amz-date"]
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    auth = SigV4Auth(credentials, service, region)
    canonical = auth.canonical_request(request)
    return parameters["Signature"] == auth.signature(auth.string_to_sign(request, canonical), request)


def take(number, protocol, method, path, headers, body):
    """Reports a request; returns the status and the fields of the answer, and whether it is the last."""
    right = signature_is_right(method, path, headers, body)
    say(request=path, connection=number, protocol=protocol, host=headers["host"], bytes=len(body), signature=right)
    if path.endswith("/elsewhere"):
        return 307, [("location", "/there"), ("content-length", "0")], b"", False
    return 200, [("content-type", "application/x-amz-json-1.1"), ("content-length", "2")], b"{}", path.endswith("/last")


def serve_http1(stream, number):
    reader = stream.makefile("rb")
    while line := reader.readline():
        method, path, _ = line.decode().split(" ")
        headers = {}
        while (line := reader.readline().decode().rstrip("\r\n")) != "":
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", "0")))
        status, fields, answer, is_last = take(number, "http/1.1", method, path, headers, body)
        if is_last:
            fields.append(("connection", "close"))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        stream.sendall(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + answer)
        if is_last:
            return


def serve_http2(stream, number):
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    stream.sendall(connection.data_to_send())
    heads, bodies = {}, {}
    while data := stream.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                heads[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
            elif isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                headers = heads.pop(event.stream_id)
                # What Host was to the client.
                headers["host"] = headers[":authority"]
                status, fields, answer, is_last = take(
                    number, "h2", headers[":method"], headers[":path"], headers, bodies.pop(event.stream_id)
                )
                connection.send_headers(event.stream_id, [(":status", str(status))] + fields)
                connection.send_data(event.stream_id, answer, end_stream=True)
                if is_last:
                    connection.close_connection()
                    stream.sendall(connection.data_to_send())
                    return
        stream.sendall(connection.data_to_send())


def serve(plain, number):
    try:
        with context.wrap_socket(plain, server_side=True) as stream:
            protocol = stream.selected_alpn_protocol()
            say(connection=number, protocol=protocol, tls=stream.version(), resumed=stream.session_reused)
            (serve_http2 if protocol == "h2" else serve_http1)(stream, number)
            # The client ends the connection: what was sent must not be lost to a reset.
            while stream.recv(65536):
                pass
    except OSError as error:
        say(connection=number, error=repr(error))


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)


def accept():
    for number in itertools.count(1):
        plain, _ = listener.accept()
        threading.Thread(target=serve, args=(plain, number), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.buffer.read()
