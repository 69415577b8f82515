-- Version 1: everything the store keeps.
--
-- * There are no foreign keys. Whoever writes a channel holds the lock on its row and has checked what it refers
--   to; the database would check it again, row by row, under locks of its own.
-- * Rows of assets name their channel; links between assets of one channel do not. Keys are unique across
--   channels, so primary keys leave the channel out, and a key of another channel is known to be taken.
-- * Times are microseconds since 1970 in UTC, as a bigint: exact, and without a range of their own to check.
-- * Text is compared byte by byte (COLLATE "C"), as the service compares it, whatever the database's locale.
-- * Numbers of statuses and kinds are those of the wire.
-- * Values that are only ever read and written whole are json: kept as they come, never taken apart here.
-- * What changes often lies apart from what never does, in rows as small as can be.

CREATE TABLE orchestrator.channel (
    name     text COLLATE "C" NOT NULL,
    position bigint           NOT NULL,
    hash     bytea            NOT NULL,
    time     bigint           NOT NULL,
    CONSTRAINT channel_pkey PRIMARY KEY (name),
    CONSTRAINT channel_position_counts CHECK (position >= 0),
    CONSTRAINT channel_hash_is_sha256 CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 10); -- each batch updates its row: room for the next version on the same page
COMMENT ON TABLE orchestrator.channel IS 'One row per channel. Its lock is the lock of the channel: whoever writes anything of the channel takes it first.';
COMMENT ON COLUMN orchestrator.channel.position IS 'Position of the last event; 0 if there is none.';
COMMENT ON COLUMN orchestrator.channel.hash IS 'Hash of the last event; zeros if there is none.';
COMMENT ON COLUMN orchestrator.channel.time IS 'Time of the last call that changed something; the lowest bigint if there was none.';

CREATE FUNCTION orchestrator.advance_channel(
    a_name text, from_position bigint, from_hash bytea, from_time bigint, to_position bigint, to_hash bytea, to_time bigint
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orchestrator.channel
    SET position = to_position, hash = to_hash, time = to_time
    WHERE name = a_name AND position = from_position AND hash = from_hash AND time = from_time;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the log of channel % does not end at position %', a_name, from_position USING ERRCODE = 'ORMOV';
    END IF;
END
$$;
COMMENT ON FUNCTION orchestrator.advance_channel IS 'Locks a channel and moves the end of its log, if that is where it is expected. For batches that are sent whole: what follows in the transaction does not happen if it is not.';

CREATE TABLE orchestrator.event (
    channel    text COLLATE "C" NOT NULL,
    position   bigint           NOT NULL,
    id         uuid             NOT NULL,
    timestamp  bigint           NOT NULL,
    asset_kind smallint         NOT NULL,
    event_kind smallint         NOT NULL,
    asset_key  text COLLATE "C" NOT NULL,
    metadata   jsonb            NOT NULL,
    encoded    bytea            NOT NULL,
    hash       bytea            NOT NULL,
    CONSTRAINT event_pkey PRIMARY KEY (channel, position),
    CONSTRAINT event_id_key UNIQUE (id),
    CONSTRAINT event_position_counts CHECK (position >= 1),
    CONSTRAINT event_hash_is_sha256 CHECK (octet_length(hash) = 32)
);
CREATE INDEX event_by_time ON orchestrator.event (channel, timestamp, position);
CREATE INDEX event_by_asset ON orchestrator.event (asset_key, timestamp, position);
COMMENT ON TABLE orchestrator.event IS 'The event logs: append-only, positions of a channel without gaps.';
COMMENT ON COLUMN orchestrator.event.asset_key IS 'Text by which events of the asset are found; not always a UUID.';
COMMENT ON COLUMN orchestrator.event.encoded IS 'The message as it goes on the wire.';
COMMENT ON COLUMN orchestrator.event.hash IS 'SHA-256 of the hash before, the position (8 bytes, big endian) and the encoded message.';

CREATE TABLE orchestrator.organization (
    channel       text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL,
    address       text             NOT NULL,
    creation_date bigint           NOT NULL,
    CONSTRAINT organization_pkey PRIMARY KEY (channel, id)
);
COMMENT ON TABLE orchestrator.organization IS 'Organizations that have registered in a channel.';

CREATE TABLE orchestrator.storage_address (
    channel text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    CONSTRAINT storage_address_pkey PRIMARY KEY (channel, address)
);
COMMENT ON TABLE orchestrator.storage_address IS 'Addresses in use: each by at most one asset of its channel.';

CREATE TABLE orchestrator.data_manager (
    key             uuid             NOT NULL,
    channel         text COLLATE "C" NOT NULL,
    name            text             NOT NULL,
    owner           text COLLATE "C" NOT NULL,
    permissions     json             NOT NULL,
    logs_permission json             NOT NULL,
    description     json             NOT NULL,
    opener          json             NOT NULL,
    metadata        json             NOT NULL,
    creation_date   bigint           NOT NULL,
    CONSTRAINT data_manager_pkey PRIMARY KEY (key)
);
CREATE INDEX data_manager_by_date ON orchestrator.data_manager (channel, creation_date, key);
COMMENT ON TABLE orchestrator.data_manager IS 'Data managers: the openers of an organization''s data.';

CREATE TABLE orchestrator.data_sample (
    key           uuid             NOT NULL,
    channel       text COLLATE "C" NOT NULL,
    owner         text COLLATE "C" NOT NULL,
    checksum      text             NOT NULL,
    creation_date bigint           NOT NULL,
    CONSTRAINT data_sample_pkey PRIMARY KEY (key)
);
CREATE INDEX data_sample_by_date ON orchestrator.data_sample (channel, creation_date, key);
COMMENT ON TABLE orchestrator.data_sample IS 'Data samples; which managers offer one stands in data_sample_manager.';

CREATE TABLE orchestrator.data_sample_manager (
    data_sample_key  uuid   NOT NULL,
    data_manager_key uuid   NOT NULL,
    position         bigint NOT NULL,
    CONSTRAINT data_sample_manager_pkey PRIMARY KEY (data_sample_key, data_manager_key)
);
CREATE INDEX data_sample_manager_by_manager ON orchestrator.data_sample_manager (data_manager_key);
COMMENT ON TABLE orchestrator.data_sample_manager IS 'A sample is offered through a manager. Both are of the same channel.';
COMMENT ON COLUMN orchestrator.data_sample_manager.position IS 'Place of the manager in the sample''s list, from 0 on.';

CREATE TABLE orchestrator.function (
    key           uuid             NOT NULL,
    channel       text COLLATE "C" NOT NULL,
    name          text             NOT NULL,
    owner         text COLLATE "C" NOT NULL,
    permissions   json             NOT NULL,
    description   json             NOT NULL,
    archive       json             NOT NULL,
    image         json,
    inputs        json             NOT NULL,
    outputs       json             NOT NULL,
    metadata      json             NOT NULL,
    status        smallint         NOT NULL,
    creation_date bigint           NOT NULL,
    CONSTRAINT function_pkey PRIMARY KEY (key),
    CONSTRAINT function_status_is_known CHECK (status BETWEEN 0 AND 5)
);
CREATE INDEX function_by_date ON orchestrator.function (channel, creation_date, key);
COMMENT ON TABLE orchestrator.function IS 'Functions: the programs that tasks run.';
COMMENT ON COLUMN orchestrator.function.image IS 'The built image; NULL until there is one.';

CREATE TABLE orchestrator.compute_plan (
    key              uuid             NOT NULL,
    channel          text COLLATE "C" NOT NULL,
    name             text             NOT NULL,
    tag              text             NOT NULL,
    owner            text COLLATE "C" NOT NULL,
    metadata         json             NOT NULL,
    creation_date    bigint           NOT NULL,
    cancelation_date bigint,
    failure_date     bigint,
    CONSTRAINT compute_plan_pkey PRIMARY KEY (key)
);
CREATE INDEX compute_plan_by_date ON orchestrator.compute_plan (channel, creation_date, key);
COMMENT ON TABLE orchestrator.compute_plan IS 'Compute plans: the brackets around the tasks of one experiment.';

CREATE TABLE orchestrator.compute_task (
    key              uuid             NOT NULL,
    registration     bigint           NOT NULL GENERATED ALWAYS AS IDENTITY,
    channel          text COLLATE "C" NOT NULL,
    function_key     uuid             NOT NULL,
    compute_plan_key uuid             NOT NULL,
    worker           text COLLATE "C" NOT NULL,
    creation_date    bigint           NOT NULL,
    encoded          bytea            NOT NULL,
    CONSTRAINT compute_task_pkey PRIMARY KEY (key)
);
CREATE INDEX compute_task_by_date ON orchestrator.compute_task (channel, creation_date, key);
CREATE INDEX compute_task_by_plan ON orchestrator.compute_task (compute_plan_key, creation_date, key);
CREATE INDEX compute_task_by_function ON orchestrator.compute_task (function_key, creation_date, key);
CREATE INDEX compute_task_by_worker ON orchestrator.compute_task (channel, worker, creation_date, key);
COMMENT ON TABLE orchestrator.compute_task IS 'Compute tasks, but for their statuses: rows never change.';
COMMENT ON COLUMN orchestrator.compute_task.encoded IS 'The message as it goes on the wire, without the status; the other columns are what tasks are found by.';
COMMENT ON COLUMN orchestrator.compute_task.registration IS 'Order of registration among tasks with one creation date; numbers may be left out.';

CREATE TABLE orchestrator.compute_task_status (
    compute_task_key uuid             NOT NULL,
    status           smallint         NOT NULL,
    channel          text COLLATE "C" NOT NULL,
    function_key     uuid             NOT NULL,
    compute_plan_key uuid             NOT NULL,
    worker           text COLLATE "C" NOT NULL,
    creation_date    bigint           NOT NULL,
    CONSTRAINT compute_task_status_pkey PRIMARY KEY (compute_task_key),
    CONSTRAINT compute_task_status_is_known CHECK (status BETWEEN 1 AND 8)
);
CREATE INDEX compute_task_status_in_plan ON orchestrator.compute_task_status (compute_plan_key, status);
-- What workers poll for. Nearly all tasks are done, canceled or failed (4, 5, 6), and nobody polls for those.
CREATE INDEX compute_task_at_work ON orchestrator.compute_task_status (channel, worker, status, creation_date, compute_task_key)
    WHERE status IN (1, 2, 3, 7, 8);
-- Tasks whose function is not built yet: few, and only for a while.
CREATE INDEX compute_task_unbuilt ON orchestrator.compute_task_status (function_key)
    WHERE status IN (7, 8);
COMMENT ON TABLE orchestrator.compute_task_status IS 'The status of each compute task, beside what tasks of a status are looked for by.';

CREATE TABLE orchestrator.compute_task_parent (
    parent_key uuid NOT NULL,
    child_key  uuid NOT NULL,
    CONSTRAINT compute_task_parent_pkey PRIMARY KEY (parent_key, child_key)
);
COMMENT ON TABLE orchestrator.compute_task_parent IS 'Which tasks take an output of a task; the other direction stands in the inputs of the child.';

CREATE TABLE orchestrator.model_use (
    model_key        uuid NOT NULL,
    compute_task_key uuid NOT NULL,
    CONSTRAINT model_use_pkey PRIMARY KEY (model_key, compute_task_key)
);
COMMENT ON TABLE orchestrator.model_use IS 'Which tasks name a model as input by its key; the other direction stands in the inputs of the task.';

CREATE TABLE orchestrator.output_asset (
    compute_task_key uuid             NOT NULL,
    identifier       text COLLATE "C" NOT NULL,
    position         bigint           NOT NULL,
    channel          text COLLATE "C" NOT NULL,
    kind             smallint         NOT NULL,
    asset_key        text COLLATE "C" NOT NULL,
    CONSTRAINT output_asset_pkey PRIMARY KEY (compute_task_key, identifier, position)
);
COMMENT ON TABLE orchestrator.output_asset IS 'Which model or performance was registered for which output of which task.';
COMMENT ON COLUMN orchestrator.output_asset.position IS 'Counts the assets of the output, from 1 on.';

CREATE TABLE orchestrator.model (
    key              uuid             NOT NULL,
    channel          text COLLATE "C" NOT NULL,
    compute_task_key uuid             NOT NULL,
    address          json,
    permissions      json             NOT NULL,
    owner            text COLLATE "C" NOT NULL,
    creation_date    bigint           NOT NULL,
    CONSTRAINT model_pkey PRIMARY KEY (key)
);
CREATE INDEX model_by_task ON orchestrator.model (compute_task_key);
COMMENT ON TABLE orchestrator.model IS 'Models: what tasks make and other tasks use.';
COMMENT ON COLUMN orchestrator.model.address IS 'Where it lies; NULL once it is disabled.';

CREATE TABLE orchestrator.performance (
    compute_task_key uuid             NOT NULL,
    identifier       text COLLATE "C" NOT NULL,
    channel          text COLLATE "C" NOT NULL,
    value            real             NOT NULL,
    creation_date    bigint           NOT NULL,
    CONSTRAINT performance_pkey PRIMARY KEY (compute_task_key, identifier)
);
CREATE INDEX performance_by_date ON orchestrator.performance (channel, creation_date, compute_task_key DESC, identifier);
COMMENT ON TABLE orchestrator.performance IS 'Performances: the figures that tasks measure.';

CREATE TABLE orchestrator.failure_report (
    asset_key     uuid             NOT NULL,
    channel       text COLLATE "C" NOT NULL,
    asset_type    smallint         NOT NULL,
    error_type    smallint         NOT NULL,
    logs_address  json,
    owner         text COLLATE "C" NOT NULL,
    creation_date bigint           NOT NULL,
    CONSTRAINT failure_report_pkey PRIMARY KEY (asset_key),
    CONSTRAINT failure_report_asset_type_is_known CHECK (asset_type BETWEEN 0 AND 2),
    CONSTRAINT failure_report_error_type_is_known CHECK (error_type BETWEEN 1 AND 3)
);
COMMENT ON TABLE orchestrator.failure_report IS 'Why a task or a function failed; at most one report for each.';
COMMENT ON COLUMN orchestrator.failure_report.asset_key IS 'Key of the task or function that failed.';
COMMENT ON COLUMN orchestrator.failure_report.asset_type IS 'Which of the two; 0 in old reports that do not tell.';
