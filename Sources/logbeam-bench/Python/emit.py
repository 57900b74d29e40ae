"""Logs records through a handler for CloudWatch Logs, ships them, and prints as JSON what that cost.

usage: emit.py HANDLER THREADS RECORDS ENDPOINT-URL RATE < LINES

HANDLER is python-logbeam, watchtower, python-emit or python-nothing: python-emit calls the handler's emit() with records
that were made before, and so measures what the original's handler itself takes, without the logging module around it.
RATE is in records a second of all threads together; 0 is as many as go.
"""

import array
import itertools
import json
import logging
import sys
import threading
import time

import boto3

STEP = 16


def make_handler(name, client):
    if name == "python-nothing":
        return logging.NullHandler()
    if name == "watchtower":
        import watchtower

        return watchtower.CloudWatchLogHandler(
            "bench",
            log_stream_name="bench",
            boto3_client=client,
            create_log_group=False,
            create_log_stream=False,
            send_interval=10,
            max_batch_count=10_000,
            max_batch_size=1_048_576,
        )
    import logbeam

    # Its code has 10 as the default for batch_count; its documentation, and every other handler here, has 10,000.
    return logbeam.CloudWatchLogsHandler("bench", "bench", logs_client=client, batch_count=10_000)


def written_bytes():
    with open("/proc/self/io") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("write_bytes:"))


def peak_memory_bytes():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def main():
    name, threads, records, url, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
    lines = sys.stdin.read().splitlines()
    handler = make_handler(name, boto3.client("logs", endpoint_url=url))
    logger = logging.getLogger("bench")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    latencies = [array.array("Q") for _ in range(threads)]
    # All threads are at work until the end: each takes as many as it can, a few at a time.
    numbers = itertools.count(step=STEP)
    start = threading.Barrier(threads + 1)
    count = len(lines)
    # From one call of a thread to the next, in seconds.
    interval = threads / rate if rate else 0

    def log(thread):
        taken = latencies[thread]
        call, arguments = logger.info, lines
        if name == "python-nothing":
            call = bool
        if name == "python-emit":
            call = handler.emit
            arguments = [logger.makeRecord("bench", logging.INFO, "", 0, line, (), None) for line in lines]
        start.wait()
        now = time.perf_counter_ns
        first = time.monotonic()
        while (lowest := next(numbers)) < records:
            for number in range(lowest, min(lowest + STEP, records)):
                if interval:
                    left = first + len(taken) * interval - time.monotonic()
                    if left > 0:
                        time.sleep(left)
                argument = arguments[number % count]
                begin = now()
                call(argument)
                taken.append(now() - begin)

    workers = [threading.Thread(target=log, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    while start.n_waiting < threads:
        time.sleep(0.001)
    cpu, written = time.process_time(), written_bytes()
    begin = time.perf_counter()
    start.wait()
    for worker in workers:
        worker.join()
    logged = time.perf_counter() - begin
    # Sends what is left.
    handler.close()
    result = {
        "loggedSeconds": logged,
        "shippedSeconds": time.perf_counter() - begin,
        "cpuSeconds": time.process_time() - cpu,
        "writtenBytes": written_bytes() - written,
        "peakMemoryBytes": peak_memory_bytes(),
    }
    ordered = sorted(latency for thread in latencies for latency in thread)
    total = len(ordered)

    def percentile(fraction):
        return ordered[min(total - 1, int(total * fraction))] / 1000

    result["records"] = total
    result["p50Microseconds"] = percentile(0.5)
    result["p99Microseconds"] = percentile(0.99)
    result["p999Microseconds"] = percentile(0.999)
    result["worstMicroseconds"] = percentile(1)
    json.dump(result, sys.stdout)


main()
