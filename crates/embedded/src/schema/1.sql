-- The first schema.
--
-- Every row names its channel, and every index that serves a list begins with it. Keys are the 16 bytes of a UUID, so their order is the
-- order of their text. Times are microseconds since 1970 in UTC. What no statement looks into is JSON text. Tables with short rows have
-- no row id: their primary key is where the row lies.

-- A channel, and where its event log ends.
CREATE TABLE channel (
    name TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organization (
    channel TEXT NOT NULL,
    id TEXT NOT NULL,
    address TEXT NOT NULL,
    creation_date INTEGER NOT NULL,
    PRIMARY KEY (channel, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE data_manager (
    key BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    permissions TEXT NOT NULL,
    logs_permission TEXT NOT NULL,
    description TEXT NOT NULL,
    opener TEXT NOT NULL,
    metadata TEXT NOT NULL,
    creation_date INTEGER NOT NULL
) STRICT;
CREATE INDEX data_manager_in_order ON data_manager (channel, creation_date, key);

CREATE TABLE data_sample (
    key BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    owner TEXT NOT NULL,
    checksum TEXT NOT NULL,
    creation_date INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX data_sample_in_order ON data_sample (channel, creation_date, key);

-- A sample is offered through a manager; the position counts the sample's managers from 0 on.
CREATE TABLE data_sample_link (
    data_sample_key BLOB NOT NULL REFERENCES data_sample (key),
    data_manager_key BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (data_sample_key, data_manager_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX data_sample_link_of_manager ON data_sample_link (data_manager_key);

CREATE TABLE function (
    key BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    permissions TEXT NOT NULL,
    description TEXT NOT NULL,
    archive TEXT NOT NULL,
    image TEXT,
    inputs TEXT NOT NULL,
    outputs TEXT NOT NULL,
    metadata TEXT NOT NULL,
    status INTEGER NOT NULL,
    creation_date INTEGER NOT NULL
) STRICT;
CREATE INDEX function_in_order ON function (channel, creation_date, key);

CREATE TABLE compute_plan (
    key BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    owner TEXT NOT NULL,
    metadata TEXT NOT NULL,
    creation_date INTEGER NOT NULL,
    cancelation_date INTEGER,
    failure_date INTEGER
) STRICT;
CREATE INDEX compute_plan_in_order ON compute_plan (channel, creation_date, key);
CREATE INDEX compute_plan_of_owner ON compute_plan (channel, owner, creation_date, key);

-- The serial number tells the order of registration, also within one call.
CREATE TABLE compute_task (
    serial INTEGER NOT NULL PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    function_key BLOB NOT NULL,
    compute_plan_key BLOB NOT NULL,
    worker TEXT NOT NULL,
    status INTEGER NOT NULL,
    creation_date INTEGER NOT NULL,
    -- The message as it goes on the wire, without the status; the other columns are what tasks are found by.
    encoded BLOB NOT NULL
) STRICT;
CREATE INDEX compute_task_in_order ON compute_task (channel, creation_date, key);
CREATE INDEX compute_task_of_plan ON compute_task (channel, compute_plan_key, creation_date, key);
CREATE INDEX compute_task_of_function ON compute_task (channel, function_key, creation_date, key);
CREATE INDEX compute_task_of_worker ON compute_task (channel, worker, creation_date, key);
-- Which statuses occur in a plan, and which functions.
CREATE INDEX compute_task_status_in_plan ON compute_task (channel, compute_plan_key, status, function_key);
-- Those that wait for the builder (7) or the build (8).
CREATE INDEX compute_task_unbuilt ON compute_task (function_key) WHERE status IN (7, 8);

-- The children of a task, in order of registration.
CREATE TABLE compute_task_child (
    parent_key BLOB NOT NULL,
    child INTEGER NOT NULL REFERENCES compute_task (serial),
    PRIMARY KEY (parent_key, child)
) STRICT, WITHOUT ROWID;

-- The tasks that name a model as input by its key.
CREATE TABLE model_use (
    model_key BLOB NOT NULL,
    compute_task_key BLOB NOT NULL REFERENCES compute_task (key),
    PRIMARY KEY (model_key, compute_task_key)
) STRICT, WITHOUT ROWID;

-- A model without address is disabled.
CREATE TABLE model (
    key BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    compute_task_key BLOB NOT NULL,
    address TEXT,
    permissions TEXT NOT NULL,
    owner TEXT NOT NULL,
    creation_date INTEGER NOT NULL
) STRICT;
CREATE INDEX model_of_task ON model (compute_task_key);

-- The value is the bits of the 32-bit float: a column of reals cannot hold a NaN.
CREATE TABLE performance (
    compute_task_key BLOB NOT NULL,
    identifier TEXT NOT NULL,
    channel TEXT NOT NULL,
    value INTEGER NOT NULL,
    creation_date INTEGER NOT NULL,
    PRIMARY KEY (compute_task_key, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX performance_in_order ON performance (channel, creation_date, compute_task_key DESC, identifier);

-- What was registered for the output of a task; the position counts the assets of that output from 1 on.
CREATE TABLE output_asset (
    compute_task_key BLOB NOT NULL,
    identifier TEXT NOT NULL,
    position INTEGER NOT NULL,
    channel TEXT NOT NULL,
    kind INTEGER NOT NULL,
    asset_key TEXT NOT NULL,
    PRIMARY KEY (compute_task_key, identifier, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE failure_report (
    asset_key BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    asset_type INTEGER NOT NULL,
    error_type INTEGER NOT NULL,
    logs_address TEXT,
    owner TEXT NOT NULL,
    creation_date INTEGER NOT NULL
) STRICT;

-- The storage addresses in use.
CREATE TABLE address (
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (channel, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id BLOB NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    position INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    asset_kind INTEGER NOT NULL,
    event_kind INTEGER NOT NULL,
    asset_key TEXT NOT NULL,
    metadata TEXT NOT NULL,
    encoded BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (channel, position)
) STRICT;
CREATE INDEX event_in_time ON event (channel, timestamp, position);
CREATE INDEX event_of_asset ON event (channel, asset_key, timestamp, position);

-- What the planner has to know: rows of an index, then rows for one value of its first column, of its first two, and so on. These figures are
-- not measured, and ANALYZE never is run. Without any, the planner would take a channel, which may hold all rows, for as good a
-- choice as a plan, a task or a key.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat)
VALUES
    ('data_manager', 'sqlite_autoindex_data_manager_1', '10000 1'),
    ('data_manager', 'data_manager_in_order', '10000 10000 2 1'),
    ('data_sample', 'data_sample', '1000000 1'),
    ('data_sample', 'data_sample_in_order', '1000000 1000000 100 1'),
    ('data_sample_link', 'data_sample_link', '1000000 1 1'),
    ('data_sample_link', 'data_sample_link_of_manager', '1000000 1000'),
    ('function', 'sqlite_autoindex_function_1', '10000 1'),
    ('function', 'function_in_order', '10000 10000 2 1'),
    ('compute_plan', 'sqlite_autoindex_compute_plan_1', '10000 1'),
    ('compute_plan', 'compute_plan_in_order', '10000 10000 2 1'),
    ('compute_plan', 'compute_plan_of_owner', '10000 10000 1000 2 1'),
    ('compute_task', 'sqlite_autoindex_compute_task_1', '1000000 1'),
    ('compute_task', 'compute_task_in_order', '1000000 1000000 100 1'),
    ('compute_task', 'compute_task_of_plan', '1000000 1000000 1000 100 1'),
    ('compute_task', 'compute_task_of_function', '1000000 1000000 10000 100 1'),
    ('compute_task', 'compute_task_of_worker', '1000000 1000000 100000 100 1'),
    ('compute_task', 'compute_task_status_in_plan', '1000000 1000000 1000 500 200'),
    ('compute_task', 'compute_task_unbuilt', '1000 50'),
    ('compute_task_child', 'compute_task_child', '2000000 2 1'),
    ('model_use', 'model_use', '2000000 10 1'),
    ('model', 'sqlite_autoindex_model_1', '1000000 1'),
    ('model', 'model_of_task', '1000000 2'),
    ('performance', 'performance', '1000000 2 1'),
    ('performance', 'performance_in_order', '1000000 1000000 5 2 1'),
    ('output_asset', 'output_asset', '2000000 2 1 1'),
    ('failure_report', 'sqlite_autoindex_failure_report_1', '1000 1'),
    ('address', 'address', '2000000 2000000 1'),
    ('event', 'sqlite_autoindex_event_1', '10000000 1'),
    ('event', 'sqlite_autoindex_event_2', '10000000 10000000 1'),
    ('event', 'event_in_time', '10000000 10000000 5 1'),
    ('event', 'event_of_asset', '10000000 10000000 5 1 1');
-- Reads them.
ANALYZE sqlite_schema;
