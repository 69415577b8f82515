CREATE TABLE orchestrator.adoption (
    channel    text COLLATE "C" NOT NULL,
    position   bigint           NOT NULL,
    adopted_at timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT adoption_pkey PRIMARY KEY (channel)
);
COMMENT ON TABLE orchestrator.adoption IS 'The channels of Substra orchestrator 1.0.0 whose data was taken over from the schema public.';
COMMENT ON COLUMN orchestrator.adoption.position IS 'Events up to this position are the predecessor''s: their snapshots may be incomplete.';
