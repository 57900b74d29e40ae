"""Runs moto on a free port of loopback, prints the port when it listens, and ends with its standard input.

The end of standard input comes even where the tests were killed: no server outlives them.
"""

import logging
import sys

from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.buffer.read()
