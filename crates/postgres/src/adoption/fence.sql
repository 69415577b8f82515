-- Every call of the predecessor that writes inserts an event. The function lies in our schema: dropping that schema
-- takes the trigger along, and leaves the predecessor's tables as they were.
CREATE FUNCTION orchestrator.refuse_predecessor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'this database was adopted by the orchestrator that replaces Substra orchestrator 1.0.0'
        USING HINT = 'Stop the old server. To go back to it, drop the schema orchestrator.';
END
$$;
CREATE TRIGGER adopted_by_orchestrator BEFORE INSERT ON public.events
    FOR EACH STATEMENT EXECUTE FUNCTION orchestrator.refuse_predecessor();
