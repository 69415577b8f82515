-- The schema of Substra orchestrator 1.0.0, version 64, written from the facts of the contract: what its 64
-- migrations leave in an empty database. tests/predecessor.rs holds it to these facts, name by name.
--
-- The dead helper functions of its migrations are left out; nothing uses them. Names that still say algo or node,
-- and a name that ends in the middle of a word, are real.

CREATE TYPE failed_asset_kind AS ENUM ('FAILED_ASSET_UNKNOWN', 'FAILED_ASSET_COMPUTE_TASK', 'FAILED_ASSET_FUNCTION');

CREATE TABLE schema_migrations (
    version bigint NOT NULL,
    dirty boolean NOT NULL,
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);
INSERT INTO schema_migrations (version, dirty) VALUES
    (64, false);

CREATE TABLE asset_kinds (
    kind varchar(50) NOT NULL,
    CONSTRAINT asset_kinds_pkey PRIMARY KEY (kind)
);
INSERT INTO asset_kinds (kind) VALUES
    ('ASSET_COMPUTE_PLAN'),
    ('ASSET_COMPUTE_TASK'),
    ('ASSET_COMPUTE_TASK_OUTPUT_ASSET'),
    ('ASSET_DATA_MANAGER'),
    ('ASSET_DATA_SAMPLE'),
    ('ASSET_FAILURE_REPORT'),
    ('ASSET_FUNCTION'),
    ('ASSET_METRIC'),
    ('ASSET_MODEL'),
    ('ASSET_ORGANIZATION'),
    ('ASSET_PERFORMANCE'),
    ('ASSET_PROFILING_STEP');

CREATE TABLE compute_task_statuses (
    status varchar(100) NOT NULL,
    CONSTRAINT compute_task_statuses_pkey PRIMARY KEY (status)
);
INSERT INTO compute_task_statuses (status) VALUES
    ('STATUS_BUILDING'),
    ('STATUS_CANCELED'),
    ('STATUS_DONE'),
    ('STATUS_EXECUTING'),
    ('STATUS_FAILED'),
    ('STATUS_WAITING_FOR_BUILDER_SLOT'),
    ('STATUS_WAITING_FOR_EXECUTOR_SLOT'),
    ('STATUS_WAITING_FOR_PARENT_TASKS');

CREATE TABLE error_types (
    error_type varchar(50) NOT NULL,
    CONSTRAINT error_types_pkey PRIMARY KEY (error_type)
);
INSERT INTO error_types (error_type) VALUES
    ('ERROR_TYPE_BUILD'),
    ('ERROR_TYPE_EXECUTION'),
    ('ERROR_TYPE_INTERNAL');

CREATE TABLE event_kinds (
    kind varchar(50) NOT NULL,
    CONSTRAINT event_kinds_pkey PRIMARY KEY (kind)
);
INSERT INTO event_kinds (kind) VALUES
    ('EVENT_ASSET_CREATED'),
    ('EVENT_ASSET_DISABLED'),
    ('EVENT_ASSET_UPDATED');

CREATE TABLE failed_asset_kinds (
    kind varchar(100) NOT NULL,
    CONSTRAINT failed_asset_kinds_pkey PRIMARY KEY (kind)
);
INSERT INTO failed_asset_kinds (kind) VALUES
    ('FAILED_ASSET_COMPUTE_TASK'),
    ('FAILED_ASSET_FUNCTION'),
    ('FAILED_ASSET_UNKNOWN');

CREATE TABLE function_statuses (
    status varchar(100) NOT NULL,
    CONSTRAINT function_statuses_pkey PRIMARY KEY (status)
);
INSERT INTO function_statuses (status) VALUES
    ('FUNCTION_STATUS_BUILDING'),
    ('FUNCTION_STATUS_CANCELED'),
    ('FUNCTION_STATUS_FAILED'),
    ('FUNCTION_STATUS_READY'),
    ('FUNCTION_STATUS_UNKNOWN'),
    ('FUNCTION_STATUS_WAITING');

CREATE TABLE addressables (
    storage_address varchar(200) NOT NULL,
    checksum varchar(64),
    CONSTRAINT addressables_pkey PRIMARY KEY (storage_address)
);
INSERT INTO addressables (storage_address, checksum) VALUES
    ('', ''),
    ('https://db-backfill/EMPTY_LOG_FILE', '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE organizations (
    id varchar(100) NOT NULL,
    channel varchar(100) NOT NULL,
    creation_date timestamptz NOT NULL,
    address varchar(200) NOT NULL DEFAULT '',
    CONSTRAINT nodes_pkey PRIMARY KEY (id, channel)
);
CREATE INDEX ix_organizations_creation_date ON organizations (creation_date);

CREATE TABLE datamanagers (
    key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    name varchar(100) NOT NULL,
    owner varchar(100) NOT NULL,
    permissions jsonb NOT NULL,
    description varchar(200) NOT NULL,
    opener varchar(200) NOT NULL,
    creation_date timestamptz NOT NULL,
    logs_permission jsonb NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT datamanagers_pkey PRIMARY KEY (key),
    CONSTRAINT datamanagers_description_fkey
        FOREIGN KEY (description) REFERENCES addressables (storage_address),
    CONSTRAINT datamanagers_opener_fkey
        FOREIGN KEY (opener) REFERENCES addressables (storage_address),
    CONSTRAINT datamanagers_owner_channel_fkey
        FOREIGN KEY (owner, channel) REFERENCES organizations (id, channel)
);
CREATE INDEX ix_datamanagers_creation_date ON datamanagers (creation_date);

CREATE TABLE datasamples (
    key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    owner varchar(100) NOT NULL,
    checksum varchar(64) NOT NULL,
    creation_date timestamptz NOT NULL,
    CONSTRAINT datasamples_pkey PRIMARY KEY (key),
    CONSTRAINT datasamples_owner_channel_fkey
        FOREIGN KEY (owner, channel) REFERENCES organizations (id, channel)
);
CREATE INDEX ix_datasamples_creation_date ON datasamples (creation_date);

CREATE TABLE datasample_datamanagers (
    datasample_key uuid NOT NULL,
    datamanager_key uuid NOT NULL,
    CONSTRAINT datasample_datamanagers_pkey PRIMARY KEY (datasample_key, datamanager_key),
    CONSTRAINT datasample_datamanagers_datamanager_key_fkey
        FOREIGN KEY (datamanager_key) REFERENCES datamanagers (key),
    CONSTRAINT datasample_datamanagers_datasample_key_fkey
        FOREIGN KEY (datasample_key) REFERENCES datasamples (key)
);

CREATE TABLE functions (
    key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    name varchar(100) NOT NULL,
    description varchar(200) NOT NULL,
    archive_address varchar(200) NOT NULL,
    permissions jsonb NOT NULL,
    owner varchar(100) NOT NULL,
    creation_date timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    status varchar(100),
    image_address varchar(200) NOT NULL DEFAULT '',
    CONSTRAINT algos_pkey PRIMARY KEY (key),
    CONSTRAINT algos_algorithm_fkey
        FOREIGN KEY (archive_address) REFERENCES addressables (storage_address),
    CONSTRAINT algos_description_fkey
        FOREIGN KEY (description) REFERENCES addressables (storage_address),
    CONSTRAINT function_status_fkey
        FOREIGN KEY (status) REFERENCES function_statuses (status),
    CONSTRAINT functions_owner_channel_fkey
        FOREIGN KEY (owner, channel) REFERENCES organizations (id, channel)
);
CREATE INDEX ix_algos_creation_date ON functions (creation_date);

CREATE TABLE function_inputs (
    function_key uuid NOT NULL,
    identifier varchar(100) NOT NULL,
    kind varchar(50) NOT NULL,
    multiple boolean NOT NULL,
    optional boolean NOT NULL,
    CONSTRAINT algo_inputs_pkey PRIMARY KEY (function_key, identifier),
    CONSTRAINT algo_inputs_algo_key_fkey
        FOREIGN KEY (function_key) REFERENCES functions (key),
    CONSTRAINT algo_inputs_kind_fkey
        FOREIGN KEY (kind) REFERENCES asset_kinds (kind)
);

CREATE TABLE function_outputs (
    function_key uuid NOT NULL,
    identifier varchar(100) NOT NULL,
    kind varchar(50) NOT NULL,
    multiple boolean NOT NULL,
    CONSTRAINT algo_outputs_pkey PRIMARY KEY (function_key, identifier),
    CONSTRAINT algo_outputs_algo_key_fkey
        FOREIGN KEY (function_key) REFERENCES functions (key),
    CONSTRAINT algo_outputs_kind_fkey
        FOREIGN KEY (kind) REFERENCES asset_kinds (kind)
);

CREATE TABLE compute_plans (
    key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    owner varchar(100) NOT NULL,
    creation_date timestamptz NOT NULL,
    tag varchar(100) NOT NULL DEFAULT '',
    metadata jsonb NOT NULL DEFAULT '{}',
    name varchar(100) NOT NULL,
    cancelation_date timestamptz,
    failure_date timestamptz,
    CONSTRAINT compute_plans_pkey PRIMARY KEY (key),
    CONSTRAINT compute_plans_owner_channel_fkey
        FOREIGN KEY (owner, channel) REFERENCES organizations (id, channel)
);
CREATE INDEX ix_compute_plans_creation_date ON compute_plans (creation_date);
CREATE INDEX ix_compute_plans_owner ON compute_plans (owner);

CREATE TABLE compute_tasks (
    key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    compute_plan_key uuid NOT NULL,
    status varchar(100) NOT NULL,
    worker varchar(100) NOT NULL,
    function_key uuid NOT NULL,
    owner varchar(100) NOT NULL,
    rank integer NOT NULL,
    creation_date timestamptz NOT NULL,
    logs_permission jsonb NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT compute_tasks_pkey PRIMARY KEY (key),
    CONSTRAINT compute_tasks_algo_key_fkey
        FOREIGN KEY (function_key) REFERENCES functions (key),
    CONSTRAINT compute_tasks_owner_channel_fkey
        FOREIGN KEY (owner, channel) REFERENCES organizations (id, channel),
    CONSTRAINT compute_tasks_status_fkey
        FOREIGN KEY (status) REFERENCES compute_task_statuses (status),
    CONSTRAINT compute_tasks_worker_channel_fkey
        FOREIGN KEY (worker, channel) REFERENCES organizations (id, channel),
    CONSTRAINT fk_compute_plan
        FOREIGN KEY (compute_plan_key) REFERENCES compute_plans (key)
);
CREATE INDEX ix_compute_tasks_compute_plan_key ON compute_tasks (compute_plan_key);
CREATE INDEX ix_compute_tasks_compute_plan_key_status ON compute_tasks (compute_plan_key, status);
CREATE INDEX ix_compute_tasks_function_key_status ON compute_tasks (function_key, status);
CREATE INDEX ix_compute_tasks_status ON compute_tasks (status);
CREATE INDEX ix_compute_tasks_worker ON compute_tasks (worker);

CREATE TABLE compute_task_inputs (
    compute_task_key uuid NOT NULL,
    identifier varchar(100) NOT NULL,
    position integer NOT NULL,
    asset_key uuid,
    parent_task_key uuid,
    parent_task_output_identifier varchar(100),
    CONSTRAINT compute_task_inputs_pkey PRIMARY KEY (compute_task_key, position),
    CONSTRAINT compute_task_inputs_compute_task_key_fkey
        FOREIGN KEY (compute_task_key) REFERENCES compute_tasks (key),
    CONSTRAINT compute_task_inputs_parent_task_key_fkey
        FOREIGN KEY (parent_task_key) REFERENCES compute_tasks (key),
    CONSTRAINT co_compute_task_inputs_asset_key_parent_task_key_parent_task_ou CHECK (
        (asset_key IS NOT NULL AND parent_task_key IS NULL AND parent_task_output_identifier IS NULL)
        OR (asset_key IS NULL AND parent_task_key IS NOT NULL AND parent_task_output_identifier IS NOT NULL)
    )
);

CREATE TABLE compute_task_outputs (
    compute_task_key uuid NOT NULL,
    identifier varchar(100) NOT NULL,
    permissions jsonb NOT NULL,
    transient boolean NOT NULL DEFAULT false,
    CONSTRAINT compute_task_outputs_pkey PRIMARY KEY (compute_task_key, identifier),
    CONSTRAINT compute_task_outputs_compute_task_key_fkey
        FOREIGN KEY (compute_task_key) REFERENCES compute_tasks (key)
);

CREATE TABLE compute_task_parents (
    child_task_key uuid NOT NULL,
    parent_task_key uuid NOT NULL,
    position integer NOT NULL,
    CONSTRAINT compute_task_parents_pkey PRIMARY KEY (child_task_key, parent_task_key, position),
    CONSTRAINT compute_task_parents_child_task_key_fkey
        FOREIGN KEY (child_task_key) REFERENCES compute_tasks (key),
    CONSTRAINT compute_task_parents_parent_task_key_fkey
        FOREIGN KEY (parent_task_key) REFERENCES compute_tasks (key)
);
CREATE INDEX ix_compute_task_parents_child_task_key ON compute_task_parents (child_task_key);
CREATE INDEX ix_compute_task_parents_parent_task_key ON compute_task_parents (parent_task_key);

CREATE TABLE compute_task_output_assets (
    compute_task_key uuid NOT NULL,
    compute_task_output_identifier varchar(100) NOT NULL,
    position integer NOT NULL,
    asset_kind varchar(50),
    asset_key varchar(200) NOT NULL,
    CONSTRAINT compute_task_output_assets_pkey PRIMARY KEY (compute_task_key, compute_task_output_identifier, position),
    CONSTRAINT compute_task_output_assets_asset_key_key UNIQUE (asset_key),
    CONSTRAINT compute_task_output_assets_asset_kind_fkey
        FOREIGN KEY (asset_kind) REFERENCES asset_kinds (kind),
    CONSTRAINT compute_task_output_assets_compute_task_key_compute_task_o_fkey
        FOREIGN KEY (compute_task_key, compute_task_output_identifier) REFERENCES compute_task_outputs (compute_task_key, identifier)
);

CREATE TABLE models (
    key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    compute_task_key uuid NOT NULL,
    address varchar(200),
    permissions jsonb NOT NULL,
    owner varchar(100) NOT NULL,
    creation_date timestamptz NOT NULL,
    CONSTRAINT models_pkey PRIMARY KEY (key),
    CONSTRAINT models_address_fkey
        FOREIGN KEY (address) REFERENCES addressables (storage_address),
    CONSTRAINT models_compute_task_key_fkey
        FOREIGN KEY (compute_task_key) REFERENCES compute_tasks (key),
    CONSTRAINT models_owner_channel_fkey
        FOREIGN KEY (owner, channel) REFERENCES organizations (id, channel)
);
CREATE INDEX ix_models_compute_task_key ON models USING hash (compute_task_key);
CREATE INDEX ix_models_creation_date ON models (creation_date);

CREATE TABLE performances (
    compute_task_key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    performance_value numeric NOT NULL,
    creation_date timestamptz NOT NULL,
    compute_task_output_identifier varchar(100) NOT NULL,
    CONSTRAINT performances_pkey PRIMARY KEY (compute_task_key, compute_task_output_identifier),
    CONSTRAINT performances_compute_task_key_compute_task_output_identifi_fkey
        FOREIGN KEY (compute_task_key, compute_task_output_identifier) REFERENCES compute_task_outputs (compute_task_key, identifier)
);

CREATE TABLE failure_reports (
    asset_key uuid NOT NULL,
    channel varchar(100) NOT NULL,
    error_type varchar(50) NOT NULL,
    logs_address varchar(200),
    owner varchar(100) NOT NULL,
    creation_date timestamptz NOT NULL,
    asset_type varchar(100) DEFAULT 'FAILED_ASSET_UNKNOWN',
    CONSTRAINT failure_reports_pkey PRIMARY KEY (asset_key),
    CONSTRAINT asset_kind_fkey
        FOREIGN KEY (asset_type) REFERENCES failed_asset_kinds (kind),
    CONSTRAINT failure_reports_error_type_fkey
        FOREIGN KEY (error_type) REFERENCES error_types (error_type),
    CONSTRAINT failure_reports_logs_address_fkey
        FOREIGN KEY (logs_address) REFERENCES addressables (storage_address),
    CONSTRAINT failure_reports_owner_channel_fkey
        FOREIGN KEY (owner, channel) REFERENCES organizations (id, channel),
    CONSTRAINT ck_failure_reports_error_type_logs_address CHECK (
        (error_type IN ('ERROR_TYPE_EXECUTION', 'ERROR_TYPE_BUILD')) = (logs_address IS NOT NULL)
    )
);

CREATE TABLE events (
    id uuid NOT NULL,
    asset_key varchar(100) NOT NULL,
    channel varchar(100) NOT NULL,
    asset_kind varchar(50) NOT NULL,
    event_kind varchar(50) NOT NULL,
    timestamp timestamptz NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    asset jsonb NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (id),
    CONSTRAINT events_position_key UNIQUE (position),
    CONSTRAINT events_asset_kind_fkey
        FOREIGN KEY (asset_kind) REFERENCES asset_kinds (kind),
    CONSTRAINT events_event_kind_fkey
        FOREIGN KEY (event_kind) REFERENCES event_kinds (kind)
);
CREATE INDEX ix_events_asset_key ON events (asset_key);
CREATE INDEX ix_events_timestamp ON events (timestamp);

CREATE FUNCTION notify_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('events', json_build_object('event_position', NEW.position, 'channel', NEW.channel)::text);
    RETURN NULL;
END
$$;
CREATE TRIGGER notify_event AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION notify_event();

CREATE VIEW expanded_functions AS
SELECT key, name, description AS description_address, desc_add.checksum AS description_checksum, archive_address,
    archive_add.checksum AS archive_checksum, permissions, owner, creation_date, metadata, channel, status,
    image_address, image_add.checksum AS image_checksum
FROM functions
JOIN addressables AS desc_add ON description = desc_add.storage_address
JOIN addressables AS archive_add ON archive_address = archive_add.storage_address
JOIN addressables AS image_add ON image_address = image_add.storage_address;

CREATE VIEW expanded_datamanagers AS
SELECT key, name, owner, channel, permissions, description AS description_address,
    desc_add.checksum AS description_checksum, opener AS opener_address, opener_add.checksum AS opener_checksum,
    creation_date, logs_permission, metadata
FROM datamanagers
JOIN addressables AS desc_add ON description = desc_add.storage_address
JOIN addressables AS opener_add ON opener = opener_add.storage_address;

CREATE VIEW expanded_datasamples AS
SELECT key, owner, channel, checksum, creation_date, jsonb_agg(datamanager_key) AS datamanager_keys
FROM datasamples
LEFT JOIN datasample_datamanagers ON datasample_key = key
GROUP BY key;

CREATE VIEW expanded_models AS
SELECT key, compute_task_key, address, checksum, permissions, owner, channel, creation_date
FROM models
LEFT JOIN addressables ON address = storage_address;

CREATE VIEW expanded_failure_reports AS
SELECT asset_key, asset_type, error_type, logs_address, checksum AS logs_checksum, creation_date, owner, channel
FROM failure_reports
LEFT JOIN addressables ON logs_address = storage_address;
