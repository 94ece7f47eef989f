-- Tables of Athena over the runs of pipewarden in a bucket. Replace BUCKET/PREFIX by where `runs/` lies; run the statements
-- one by one.
--
-- A run is a partition. It is found by its id, so that nobody has to add partitions:
--   SELECT control, count(*) FROM pipewarden.findings WHERE run = '20261121T020000Z' AND violation GROUP BY control;
-- Such a partition ("injected") wants a run, or a list of them, in every WHERE. For a dashboard over all runs leave the
-- TBLPROPERTIES out and add each run once, for example by the job that made it:
--   ALTER TABLE pipewarden.findings ADD IF NOT EXISTS PARTITION (run = '20261121T020000Z')
--     LOCATION 's3://BUCKET/PREFIX/runs/20261121T020000Z/parquet/findings/';
--
-- `evidence` is JSON: json_extract_scalar(evidence, '$.pipelineType'). Lists are arrays: contains(frameworks, 'CIS-SSC-5.2.3');
-- QuickSight reads no arrays, so give it array_join(frameworks, ', ').

CREATE DATABASE IF NOT EXISTS pipewarden;

CREATE EXTERNAL TABLE IF NOT EXISTS pipewarden.findings (
  run_id string,
  run_started_at timestamp,
  organization string,
  finding_id string,              -- stable over runs
  control string,
  title string,
  severity string,                -- CRITICAL, HIGH, MEDIUM, LOW
  compliance string,              -- NonCompliant, InsufficientData, Compliant, NotApplicable
  violation boolean,              -- NonCompliant and under no exception
  account string,
  account_name string,
  organizational_unit string,
  region string,
  resource_type string,
  resource string,
  evidence string,                -- JSON
  gaps array<string>,             -- what could not be seen
  remediation string,
  frameworks array<string>,
  exception_id string,
  exception_owner string,
  exception_ticket string,
  exception_reason string,
  exception_expires date,
  owner string,
  owner_source string,
  change string,                  -- New, Worsened, Improved, Unchanged, Resolved, NotSeen
  first_observed_at timestamp,
  last_observed_at timestamp,
  last_known string,              -- what was seen last, where this run could not look
  gone_reason string              -- of the table gone
)
PARTITIONED BY (run string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIX/runs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/PREFIX/runs/${run}/parquet/findings/'
);

-- What the run before had and this one has not; no row is a result of this run.
CREATE EXTERNAL TABLE IF NOT EXISTS pipewarden.gone (
  run_id string,
  run_started_at timestamp,
  organization string,
  finding_id string,
  control string,
  title string,
  severity string,
  compliance string,              -- as it was last seen
  violation boolean,              -- always false
  account string,
  account_name string,
  organizational_unit string,
  region string,
  resource_type string,
  resource string,
  evidence string,
  gaps array<string>,
  remediation string,
  frameworks array<string>,
  exception_id string,
  exception_owner string,
  exception_ticket string,
  exception_reason string,
  exception_expires date,
  owner string,
  owner_source string,
  change string,                  -- Resolved, or NotSeen: that is not resolved
  first_observed_at timestamp,
  last_observed_at timestamp,
  last_known string,
  gone_reason string
)
PARTITIONED BY (run string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIX/runs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/PREFIX/runs/${run}/parquet/gone/'
);

-- The ledger: account, Region, service and action with their calls, and what was left out on purpose.
CREATE EXTERNAL TABLE IF NOT EXISTS pipewarden.calls (
  run_id string,
  run_started_at timestamp,
  account string,
  account_name string,
  organizational_unit string,
  region string,
  service string,
  action string,
  status string,                  -- ok, denied, throttled, error: the worst end; skipped
  calls bigint,
  ok bigint,
  denied bigint,
  throttled bigint,
  error bigint,
  reason string                   -- why it was skipped
)
PARTITIONED BY (run string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIX/runs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/PREFIX/runs/${run}/parquet/calls/'
);

-- Everything that could not be seen.
CREATE EXTERNAL TABLE IF NOT EXISTS pipewarden.gaps (
  run_id string,
  run_started_at timestamp,
  account string,
  account_name string,
  organizational_unit string,
  region string,
  service string,
  action string,
  cause string,                   -- denied, throttled, error, …
  message string,
  affects string,                 -- Account, Types, Property, Details
  resource_types array<string>,
  resource string,
  property string
)
PARTITIONED BY (run string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIX/runs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/PREFIX/runs/${run}/parquet/gaps/'
);

-- DORA's metrics, of runs with --history. A number that is not known is null, with its status and reasons.
CREATE EXTERNAL TABLE IF NOT EXISTS pipewarden.metrics (
  as_of timestamp,
  window_from timestamp,
  window_length string,           -- 90d
  time_zone string,
  group_kind string,              -- service, pipeline, account, …
  group_key string,
  group_name string,
  metric string,
  statistic string,
  labels array<string>,           -- kind=release
  value double,
  unit string,
  n bigint,                       -- observations behind the number
  metric_n bigint,                -- observations behind the metric
  status string,
  tier string,
  basis string,
  observed_from timestamp,
  sources array<string>,
  reasons array<string>
)
PARTITIONED BY (run string)
STORED AS PARQUET
LOCATION 's3://BUCKET/PREFIX/runs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = 's3://BUCKET/PREFIX/runs/${run}/dora/parquet/'
);
