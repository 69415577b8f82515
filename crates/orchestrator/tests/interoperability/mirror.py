"""What a backend keeps: every asset by its key, in one SQLite file for all channels, and which event of each channel it handled last.

It knows events, but no connection. As the known consumer does (core section 0), it stops at an update of what it has not seen created, at a
snapshot that it cannot read, and at a key that comes from a second channel. Start at Mirror.handle.
"""

import sqlite3
import threading
import uuid
from urllib.parse import urlsplit

import common_pb2
import computeplan_pb2
import computetask_pb2
import datamanager_pb2
import datasample_pb2
import event_pb2
import failure_report_pb2
import function_pb2
import model_pb2
import organization_pb2
import performance_pb2

# The names are those of the event's oneof.
MESSAGES = {
    "organization": organization_pb2.Organization,
    "data_manager": datamanager_pb2.DataManager,
    "data_sample": datasample_pb2.DataSample,
    "function": function_pb2.Function,
    "compute_plan": computeplan_pb2.ComputePlan,
    "compute_task": computetask_pb2.ComputeTask,
    "model": model_pb2.Model,
    "performance": performance_pb2.Performance,
    "failure_report": failure_report_pb2.FailureReport,
}

SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS asset (kind TEXT, key TEXT, channel TEXT, snapshot BLOB, PRIMARY KEY (kind, key));
    CREATE TABLE IF NOT EXISTS output (
        position INTEGER PRIMARY KEY, channel TEXT, snapshot BLOB UNIQUE
    );
    CREATE TABLE IF NOT EXISTS progress (channel TEXT PRIMARY KEY, event_id TEXT);
    CREATE TABLE IF NOT EXISTS handled (
        position INTEGER PRIMARY KEY, channel TEXT, stream TEXT, after_id TEXT, event BLOB
    );
"""


class Inconsistent(Exception):
    """An event that stops a backend."""


class Mirror:
    """The file, for several threads."""

    def __init__(self, path):
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.executescript(SCHEMA)

    def _rows(self, statement, *values):
        with self._lock, self._database:
            return self._database.execute(statement, values).fetchall()

    def last_event_id(self, channel):
        """None if nothing is known of the channel."""
        rows = self._rows("SELECT event_id FROM progress WHERE channel = ?", channel)
        return rows[0][0] if rows else None

    def record(self, channel, event_id):
        """The event was handled; a process that dies before this handles it again."""
        self._rows("INSERT OR REPLACE INTO progress VALUES (?, ?)", channel, event_id)

    def learn(self, channel, kind, snapshot):
        """Takes over what a query answered."""
        with self._lock, self._database:
            self._put(channel, kind, key_of(kind, snapshot), snapshot)

    def learn_output(self, channel, link):
        with self._lock, self._database:
            self._put_output(channel, link)

    def handle(self, event, stream, after_id):
        """Applies an event of a stream that began behind `after_id`, all or nothing."""
        kind = event.WhichOneof("asset")
        snapshot = getattr(event, kind)
        examine(event, kind, snapshot)
        with self._lock, self._database:
            self._database.execute(
                "INSERT INTO handled (channel, stream, after_id, event) VALUES (?, ?, ?, ?)",
                (event.channel, stream, after_id, event.SerializeToString(deterministic=True)),
            )
            if kind == "compute_task_output_asset":
                self._put_output(event.channel, snapshot)
            elif kind == "profiling_step":
                self._known(event, "function", snapshot.asset_key)
            else:
                self._apply(event, kind, snapshot)

    def _apply(self, event, kind, snapshot):
        if event.event_kind != event_pb2.EVENT_ASSET_CREATED:
            self._known(event, kind, event.asset_key)
        if kind == "compute_task" and event.event_kind == event_pb2.EVENT_ASSET_UPDATED:
            self._fail_plan(event, snapshot)
        self._put(event.channel, kind, event.asset_key, snapshot)

    def _fail_plan(self, event, task):
        """No event of the plan tells that it failed, only that of the task (compute/PLAN-41, DEF-42)."""
        plan = self._known(event, "compute_plan", task.compute_plan_key)
        over = plan.HasField("cancelation_date") or plan.HasField("failure_date")
        if task.status == computetask_pb2.STATUS_FAILED and not over:
            plan.failure_date.CopyFrom(event.timestamp)
            self._put(event.channel, "compute_plan", plan.key, plan)

    def _known(self, event, kind, key):
        row = self._database.execute(
            "SELECT snapshot FROM asset WHERE kind = ? AND key = ?", (kind, stored_key(kind, event.channel, key))
        ).fetchone()
        if row is None:
            raise Inconsistent(f"nothing is known of {kind} {key}: {event}")
        return MESSAGES[kind].FromString(row[0])

    def _put(self, channel, kind, key, snapshot):
        key = stored_key(kind, channel, key)
        row = self._database.execute("SELECT channel FROM asset WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        if row is not None and row[0] != channel:
            raise Inconsistent(f"{kind} {key} is in {row[0]} and in {channel}")
        value = (kind, key, channel, snapshot.SerializeToString(deterministic=True))
        self._database.execute("INSERT OR REPLACE INTO asset VALUES (?, ?, ?, ?)", value)

    def _put_output(self, channel, link):
        value = (channel, link.SerializeToString(deterministic=True))
        self._database.execute("INSERT OR IGNORE INTO output (channel, snapshot) VALUES (?, ?)", value)

    def assets(self, channel, kind):
        """All assets of a kind in a channel, by key."""
        rows = self._rows("SELECT snapshot FROM asset WHERE channel = ? AND kind = ?", channel, kind)
        return {key_of(kind, asset): asset for asset in (MESSAGES[kind].FromString(row[0]) for row in rows)}

    def outputs(self, channel):
        """Which asset was registered for which output, in order."""
        rows = self._rows("SELECT snapshot FROM output WHERE channel = ? ORDER BY position", channel)
        return [computetask_pb2.ComputeTaskOutputAsset.FromString(row[0]) for row in rows]

    def handled(self, channel):
        """All events as they were handled, repeated ones again: in which stream, behind which event it began, and the event."""
        statement = "SELECT stream, after_id, event FROM handled WHERE channel = ? ORDER BY position"
        rows = self._rows(statement, channel)
        return [(stream, after_id, event_pb2.Event.FromString(event)) for stream, after_id, event in rows]


def stored_key(kind, channel, key):
    """Assets are known by their key alone, organizations by channel and id."""
    return f"{channel}/{key}" if kind == "organization" else key


def key_of(kind, snapshot):
    if kind == "organization":
        return snapshot.id
    if kind == "performance":
        return f"{snapshot.compute_task_key}|{snapshot.compute_task_output_identifier}"
    return snapshot.asset_key if kind == "failure_report" else snapshot.key


def examine(event, kind, snapshot):
    """Reads of the snapshot what the known consumer reads unconditionally."""
    named = common_pb2.AssetKind.Value(f"ASSET_{kind.upper()}")
    if event.asset_kind != named:
        raise Inconsistent(f"the snapshot is of another kind: {event}")
    uuid.UUID(event.id)
    event.timestamp.ToDatetime()
    if kind in MESSAGES:
        snapshot.creation_date.ToDatetime()
        if key_of(kind, snapshot) != event.asset_key:
            raise Inconsistent(f"the snapshot has another key: {event}")
    if kind == "function":
        if not snapshot.HasField("image"):
            raise Inconsistent(f"a function without an image: {event}")
        urlsplit(snapshot.archive.storage_address)
