-- Bytes that a job keeps: until it ends, those that it may come to keep.
ALTER TABLE jobs ADD COLUMN kept_bytes bigint NOT NULL DEFAULT 0;
UPDATE jobs SET kept_bytes = octet_length(request)
    + coalesce((SELECT sum(octet_length(content)) FROM job_reports WHERE job_reports.job_id = jobs.job_id), 0)
    + coalesce((SELECT octet_length(content) FROM job_checkpoints WHERE job_checkpoints.job_id = jobs.job_id), 0)
    + coalesce((SELECT octet_length(content) FROM job_results WHERE job_results.job_id = jobs.job_id), 0);

-- Reports from now on: many in one compressed block, a seventh of the bytes of a row for each. Older jobs keep rows.
CREATE TABLE job_report_blocks (
    job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    first_rank integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (job_id, first_rank)
);
ALTER TABLE job_report_blocks ALTER COLUMN content SET STORAGE EXTERNAL;
