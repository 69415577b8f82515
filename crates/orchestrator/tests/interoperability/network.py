"""A network at work: members make random calls in several channels while a backend of each organization mirrors them and dies again and again.

In the end every mirror must say what every query says. Needs a server whose channels are empty, and nothing else. Start at main.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import profiling_pb2
from backend import newest_event_id
from comparison import differences
from connection import Connection, open_channel
from members import Member, World
from mirror import Mirror

PATIENCE_SECONDS = 120
# What every run must have come to, or it would show little.
NEEDED = [
    "RegisterTasksParam", "ApplyTaskActionParam", "RegisterModelsParam", "NewPerformance", "NewFailureReport",
    "DisableOutputParam", "UpdateFunctionParam", "UpdateComputePlanParam", "UpdateDataManagerParam", "UpdateDataSamplesParam",
    "ApplyPlanActionParam", "ApplyFunctionActionParam", "ProfilingStep",
]  # fmt: skip


class Backend(threading.Thread):
    """An organization's backend, started again whenever it dies, and killed from time to time."""

    def __init__(self, address, organization, channels, folder, more):
        super().__init__()
        self.organization, self.channels = organization, channels
        self.file = folder / f"{organization}.sqlite"
        self._command = [
            sys.executable, Path(__file__).with_name("backend.py"), "--address", address, "--organization", organization,
            "--mirror", self.file, *(word for channel in channels for word in ("--channel", channel)), *more,
        ]  # fmt: skip
        self._ended = threading.Event()
        self.starts = 0
        self.fault = None

    def run(self):
        while not self._ended.is_set() and self.fault is None:
            process = subprocess.Popen(self._command)
            self.starts += 1
            try:
                # Longer each time, so that it gets through all queries even on a slow machine.
                status = process.wait(random.uniform(1, 3 + 2 * self.starts))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                continue
            if status != os.EX_TEMPFAIL:
                self.fault = f"the backend of {self.organization} ended with {status}"

    def end(self):
        self._ended.set()
        if self.is_alive():
            self.join()


def wait_for(backend, mirror, newest):
    """Until the mirror has handled these newest events."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(mirror.last_event_id(channel) != event_id for channel, event_id in newest.items()):
        assert backend.fault is None, backend.fault
        assert time.monotonic() < deadline, f"the mirror of {backend.organization} is late"
        time.sleep(0.1)


def work(connections, worlds, calls):
    """All members make so many calls each, at once."""
    members = [Member(connection, worlds[connection.channel], calls) for connection in connections]
    for member in members:
        member.start()
    for member in members:
        member.join()


def finish(connections, worlds):
    """An event later than everything else, so that the newest one by time is also the last one."""
    for channel, world in worlds.items():
        connection = next(connection for connection in connections if connection.channel == channel)
        key = next(key for key, function in world.functions.items() if function.owner == connection.organization)
        step = profiling_pb2.ProfilingStep(asset_key=key, step="end", duration=1)
        connection.call(connection.profiling.RegisterProfilingStep, step)


def report(worlds):
    outcomes = sum((world.outcomes for world in worlds.values()), Counter())
    for (call, status), count in sorted(outcomes.items()):
        print(f"  {call}: {status}: {count}")
    faults = [fault for world in worlds.values() for fault in world.faults]
    missing = [call for call in NEEDED if not outcomes[call, "OK"]]
    return faults + [f"{call} never succeeded" for call in missing]


def make_backends(address, channels, folder):
    """One for each organization; the first one sees all events, the others begin with queries."""
    members = sorted({member for members in channels.values() for member in members})
    for member in members:
        own = [channel for channel in channels if member in channels[channel]]
        more = ["--from-start"] if member == members[0] else []
        yield Backend(address, member, own, folder, [*more, "--crash-rate", "0.005"])


def compare(backend, connections, has_all_events):
    """What differs between the server and the mirror of a backend that has handled everything."""
    mirror = Mirror(backend.file)
    wait_for(backend, mirror, {connection.channel: newest_event_id(connection) for connection in connections})
    backend.end()
    for connection in connections:
        handled = len(mirror.handled(connection.channel))
        print(f"{backend.organization} in {connection.channel}: {handled} events handled, {backend.starts} starts")
        yield from differences(connection, mirror, has_all_events)


def run(address, channels, calls, folder):
    """What is wrong in the end."""
    grpc_channel = open_channel(address)
    connections = [Connection(grpc_channel, member, channel) for channel in channels for member in channels[channel]]
    worlds = {channel: World(members) for channel, members in channels.items()}
    backends = list(make_backends(address, channels, folder))
    try:
        # One begins before there is anything, the others when much has happened.
        for backend in backends:
            backend.start()
            work(connections, worlds, calls)
        finish(connections, worlds)
        found = report(worlds)
        for backend in backends:
            own = [connection for connection in connections if connection.organization == backend.organization]
            found += compare(backend, own, has_all_events=backend is backends[0])
        return found
    finally:
        for backend in backends:
            backend.end()


def main():
    parser = argparse.ArgumentParser(description="let members work and backends mirror, then compare")
    parser.add_argument("--address", required=True)
    parser.add_argument("--calls", type=int, default=150, help="how many each member makes while a backend more is there")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("channels", nargs="+", metavar="CHANNEL=ORGANIZATION,ORGANIZATION,...")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    random.seed(arguments.seed)
    channels = dict(argument.split("=") for argument in arguments.channels)
    channels = {channel: members.split(",") for channel, members in channels.items()}
    with tempfile.TemporaryDirectory() as folder:
        found = run(arguments.address, channels, arguments.calls, Path(folder))
    print("\n".join(found[:20]))
    print(f"{len(found)} differences")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
