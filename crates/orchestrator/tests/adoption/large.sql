-- Fills a version-64 database with 200,000 tasks in 400 plans and 1,000,000 events, as fast as it goes: without triggers, foreign keys
-- and their checks. Each task has four inputs, two outputs and a model, and was told when it was registered, started and done.

SET session_replication_role = replica;

CREATE FUNCTION pg_temp.key(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5(kind || number)::uuid $$;
CREATE FUNCTION pg_temp.at(number bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT '2022-01-01 00:00:00.000001+00'::timestamptz + number * interval '1 second'
$$;
CREATE FUNCTION pg_temp.text_of(instant timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

INSERT INTO organizations VALUES ('OrgA', 'large', pg_temp.at(0), ''), ('OrgB', 'large', pg_temp.at(0), '');

INSERT INTO addressables
SELECT 'https://store.example/' || kind || '/' || number, lpad(number::text, 64, '0')
FROM unnest(ARRAY['description', 'archive', 'image']) AS kind, generate_series(1, 20) AS number
UNION ALL
SELECT 'https://store.example/model/' || number, lpad(number::text, 64, '0') FROM generate_series(1, 200000) AS number;

INSERT INTO functions
SELECT pg_temp.key('function', number), 'large', 'function', 'https://store.example/description/' || number,
    'https://store.example/archive/' || number,
    '{"process": {"public": true, "authorizedIds": ["OrgA"]}, "download": {"public": true, "authorizedIds": ["OrgA"]}}', 'OrgA',
    pg_temp.at(number), 'null', 'FUNCTION_STATUS_READY', 'https://store.example/image/' || number
FROM generate_series(1, 20) AS number;

INSERT INTO compute_plans (key, channel, owner, creation_date, tag, metadata, name)
SELECT pg_temp.key('plan', number), 'large', 'OrgA', pg_temp.at(number * 500), '', 'null', 'plan'
FROM generate_series(0, 399) AS number;

INSERT INTO compute_tasks
SELECT pg_temp.key('task', number), 'large', pg_temp.key('plan', number / 500), 'STATUS_DONE', 'OrgB',
    pg_temp.key('function', number % 20 + 1), 'OrgA', (number % 500)::integer, pg_temp.at(number / 100 * 100),
    '{"authorizedIds": ["OrgA", "OrgB"]}', 'null'
FROM generate_series(0::bigint, 199999) AS number;

INSERT INTO compute_task_inputs (compute_task_key, identifier, position, asset_key)
SELECT pg_temp.key('task', number), 'samples', position, pg_temp.key('sample', position)
FROM generate_series(0::bigint, 199999) AS number, generate_series(1, 3) AS position;

INSERT INTO compute_task_inputs (compute_task_key, identifier, position, parent_task_key, parent_task_output_identifier)
SELECT pg_temp.key('task', number), 'start', 4, pg_temp.key('task', number - 1), 'model'
FROM generate_series(0::bigint, 199999) AS number WHERE number % 500 > 0;

INSERT INTO compute_task_parents
SELECT compute_task_key, parent_task_key, 1 FROM compute_task_inputs WHERE parent_task_key IS NOT NULL;

INSERT INTO compute_task_outputs
SELECT pg_temp.key('task', number), identifier,
    '{"process": {"authorizedIds": ["OrgA", "OrgB"]}, "download": {"authorizedIds": ["OrgA", "OrgB"]}}', identifier = 'model'
FROM generate_series(0::bigint, 199999) AS number, unnest(ARRAY['model', 'other']) AS identifier;

INSERT INTO models
SELECT pg_temp.key('model', number), 'large', pg_temp.key('task', number), 'https://store.example/model/' || number + 1,
    '{"process": {"authorizedIds": ["OrgA", "OrgB"]}, "download": {"authorizedIds": ["OrgA", "OrgB"]}}', 'OrgB', pg_temp.at(number + 1000)
FROM generate_series(0::bigint, 199999) AS number;

INSERT INTO compute_task_output_assets
SELECT pg_temp.key('task', number), 'model', 0, 'ASSET_MODEL', pg_temp.key('model', number)::text
FROM generate_series(0::bigint, 199999) AS number;

ANALYZE;

INSERT INTO events
SELECT pg_temp.key('event ' || step, number), task.key::text, 'large', 'ASSET_COMPUTE_TASK', 'EVENT_ASSET_' || what, task.creation_date,
    CASE what WHEN 'CREATED' THEN 'null'::jsonb ELSE '{"reason": "User action"}' END,
    jsonb_build_object('key', task.key, 'owner', owner, 'computePlanKey', compute_plan_key, 'functionKey', function_key,
        'rank', rank, 'status', told, 'worker', worker, 'creationDate', pg_temp.text_of(task.creation_date),
        'logsPermission', logs_permission,
        'inputs', (SELECT jsonb_agg(CASE WHEN asset_key IS NULL
                THEN jsonb_build_object('identifier', identifier, 'parentTaskOutput',
                    jsonb_build_object('parentTaskKey', parent_task_key, 'outputIdentifier', parent_task_output_identifier))
                ELSE jsonb_build_object('identifier', identifier, 'assetKey', asset_key) END ORDER BY position)
            FROM compute_task_inputs WHERE compute_task_key = task.key),
        'outputs', (SELECT jsonb_object_agg(identifier, jsonb_build_object('permissions', permissions, 'transient', transient))
            FROM compute_task_outputs WHERE compute_task_key = task.key)),
    number * 5 + step
FROM generate_series(0::bigint, 199999) AS number
JOIN compute_tasks AS task ON task.key = pg_temp.key('task', number)
CROSS JOIN (VALUES (1, 'CREATED', 'STATUS_WAITING_FOR_PARENT_TASKS'), (2, 'UPDATED', 'STATUS_EXECUTING'), (5, 'UPDATED', 'STATUS_DONE'))
    AS steps (step, what, told);

INSERT INTO events
SELECT pg_temp.key('event 3', number), pg_temp.key('model', number)::text, 'large', 'ASSET_MODEL', 'EVENT_ASSET_CREATED',
    pg_temp.at(number + 1000), 'null'::jsonb,
    jsonb_build_object('key', model.key, 'computeTaskKey', compute_task_key, 'owner', owner, 'permissions', permissions,
        'creationDate', pg_temp.text_of(creation_date),
        'address', jsonb_build_object('storageAddress', address, 'checksum', lpad((number + 1)::text, 64, '0'))),
    number * 5 + 3
FROM generate_series(0::bigint, 199999) AS number
JOIN models AS model ON model.key = pg_temp.key('model', number)
UNION ALL
SELECT pg_temp.key('event 4', number), pg_temp.key('task', number)::text, 'large', 'ASSET_COMPUTE_TASK_OUTPUT_ASSET',
    'EVENT_ASSET_CREATED', pg_temp.at(number + 1000), 'null'::jsonb,
    jsonb_build_object('computeTaskKey', pg_temp.key('task', number), 'computeTaskOutputIdentifier', 'model',
        'assetKind', 'ASSET_MODEL', 'assetKey', pg_temp.key('model', number)),
    number * 5 + 4
FROM generate_series(0::bigint, 199999) AS number;

ANALYZE;
RESET session_replication_role;
