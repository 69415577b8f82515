-- Tells the planner what the tables hold now; it would find out by itself, but only after a while.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'orchestrator' LOOP
        EXECUTE format('ANALYZE orchestrator.%I', name);
    END LOOP;
END
$$;
