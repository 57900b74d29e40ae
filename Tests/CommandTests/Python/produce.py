"""Writes numbered records for ever, as fast as it can, into the file that is named, in blocks that end anywhere in a line.

The second argument says how a record looks: lines, multiline or json.
"""
import itertools
import json
import sys

LOOKS = {
    "lines": lambda number: f"record {number}\n",
    "multiline": lambda number: f"record {number}\n" + "  at frame\n" * (number % 4),
    "json": lambda number: json.dumps({"message": f"record {number}"}) + "\n",
}
look = LOOKS[sys.argv[2]]
with open(sys.argv[1], "wb", buffering=0) as output:
    rest = b""
    for number in itertools.count():
        rest += look(number).encode()
        if len(rest) > 5000:
            output.write(rest[:4999])
            rest = rest[4999:]
