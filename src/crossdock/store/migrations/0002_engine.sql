-- The engine's tables. Lock order, everywhere: run rows first (skip locked, so never waited for), then rows of
-- the other tables in the order of their keys.
--
--   process_version, process_current   what may run, and which version new runs take
--   reference                          settings and calendars: versions, since a replay needs the one it used
--   run, alias                         the cases, and the names by which events find them
--   inbox                              events that wait to be decided; consumed by the decision
--   aside                              events of runs that a broken decision has stopped
--   parked, parked_key                 events that no run has claimed yet
--   seen                               which events were accepted, so that a second delivery changes nothing
--   quarantine                         events that were refused, with the reason
--   history                            what was decided: replaying it gives the run's state
--   outbox, connection                 calls to outside systems, and what is known of those systems
--   task, exception                    what people see and decide, kept by the decision that changes it
--   repair, repair_item                repairs of many runs: a frozen set and an outcome for each
--   blob                               large payloads, once each, by their content

-- Which index a statement takes must not depend on luck: where two would do, the planner takes the one made last
-- while it believes a table to be small. So the one that hot statements need is made last, and the others of the
-- queues are partial, with conditions that hot statements do not state. `freshen` analyses what has grown.

create function crossdock.freshen() returns integer
language plpgsql security definer set search_path = pg_catalog as $$
declare grown text; done integer := 0;
begin
  if not pg_try_advisory_xact_lock(hashtext('crossdock.freshen')) then
    return 0;
  end if;
  for grown in
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'crossdock' and c.relkind = 'r'
      and pg_relation_size(c.oid) / 8192 > 2 * c.relpages + 8
  loop
    execute format('analyze crossdock.%I', grown);
    done := done + 1;
  end loop;
  return done;
end $$;
revoke all on function crossdock.freshen() from public;
grant execute on function crossdock.freshen() to crossdock_engine;

create table crossdock.process_version (
  tenant    integer not null,
  id        bigint generated always as identity,
  name      text not null,
  version   text not null,            -- hash of the content
  source    text not null,            -- the YAML
  published timestamptz not null default crossdock.now(),
  published_by text not null default '',
  primary key (tenant, id),
  unique (tenant, name, version)
);
call crossdock.protect('crossdock.process_version');

create table crossdock.process_current (
  tenant  integer not null,
  name    text not null,
  id      bigint not null,            -- process_version that new runs take
  next_id bigint,                     -- a version being rolled out ...
  share   real not null default 0 check (share between 0 and 1),  -- ... to this share of new runs
  primary key (tenant, name)
);
call crossdock.protect('crossdock.process_current');

create table crossdock.reference (
  tenant  integer not null,
  version integer not null,
  at      timestamptz not null default crossdock.now(),
  by      text not null default '',
  data    bytea not null,             -- JSON: {"settings": ..., "calendars": {name: ...}}
  primary key (tenant, version)
);
call crossdock.protect('crossdock.reference');

create table crossdock.run (
  tenant      integer not null,
  id          bigint generated always as identity,
  version     bigint not null,        -- process_version.id; a run stays on it
  seq         integer not null default 0,   -- decisions so far
  generation  integer not null default 1,
  parent_redo integer not null default 0,
  parent      bigint,                 -- run.id
  wake_at     timestamptz,            -- the next time at which something is due
  created     timestamptz not null default crossdock.now(),
  changed     timestamptz not null default crossdock.now(),
  ended       timestamptz,
  process     text not null,
  key         text not null,
  status      text not null default 'active',
  parent_step text not null default '',
  parent_item text not null default '',
  error       text,                   -- a decision broke: nothing is decided until somebody releases the run
  state       bytea,
  unique (tenant, process, key, generation)
) with (fillfactor = 50, toast_tuple_target = 4096,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0.1);
create index run_wake on crossdock.run (tenant, wake_at) where wake_at is not null;
create index run_parent on crossdock.run (tenant, parent, parent_step, parent_item) where parent is not null;
create index run_troubled on crossdock.run (tenant, status, id)
  where status in ('held', 'cancelling', 'failed');
alter table crossdock.run add primary key (tenant, id);
call crossdock.protect('crossdock.run');

create table crossdock.alias (
  tenant  integer not null,
  run     bigint not null,
  live    boolean not null default true,    -- until the run ends; kept after, for the search
  process text not null,
  kind    text not null,
  value   text not null
);
create index alias_value on crossdock.alias (tenant, value);
alter table crossdock.alias add primary key (tenant, run, kind, value);
create unique index alias_live on crossdock.alias (tenant, kind, value, process) where live;
call crossdock.protect('crossdock.alias');

create sequence crossdock.inbox_id;
grant usage on sequence crossdock.inbox_id to crossdock_engine;
create table crossdock.inbox (
  tenant integer not null,
  run    bigint not null,
  id     bigint not null default nextval('crossdock.inbox_id'),
  event  bytea not null,
  primary key (tenant, run, id)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0.5);
call crossdock.protect('crossdock.inbox');

create table crossdock.aside (
  tenant integer not null,
  run    bigint not null,
  id     bigint not null,             -- as in the inbox: the order is kept
  error  text,                        -- why, where this event is the cause
  at     timestamptz not null default crossdock.now(),
  event  bytea not null,
  primary key (tenant, run, id)
);
call crossdock.protect('crossdock.aside');

create table crossdock.parked (
  tenant    integer not null,
  id        bigint generated always as identity,
  at        timestamptz not null default crossdock.now(),
  stored    timestamptz not null default statement_timestamp(),
  dismissed timestamptz,
  type      text not null,
  event     bytea not null,
  primary key (tenant, id)
);
create index parked_recent on crossdock.parked (stored);
call crossdock.protect('crossdock.parked');

create table crossdock.parked_key (
  tenant integer not null,
  kind   text not null,
  value  text not null,
  parked bigint not null,
  primary key (tenant, kind, value, parked)
);
create index parked_key_parked on crossdock.parked_key (tenant, parked);
call crossdock.protect('crossdock.parked_key');

create table crossdock.seen (
  tenant integer not null,
  event  uuid not null,               -- hash of source and id
  at     timestamptz not null default statement_timestamp(),
  primary key (tenant, event)
);
create index seen_at on crossdock.seen using brin (at) with (autosummarize = on);
call crossdock.protect('crossdock.seen');

create table crossdock.quarantine (
  tenant   integer not null,
  id       bigint generated always as identity,
  at       timestamptz not null default crossdock.now(),
  released timestamptz,
  type     text not null,
  reason   text not null,
  event    bytea not null,
  primary key (tenant, id)
);
call crossdock.protect('crossdock.quarantine');

create table crossdock.history (
  tenant  integer not null,
  run     bigint not null,
  seq     integer not null,
  at      timestamptz not null,       -- the decision's time, by the engine's clock
  stored  timestamptz not null default statement_timestamp(),
  xid     xid8 not null default pg_current_xact_id(),  -- whoever follows reads below the oldest one open
  type    text not null,              -- of the event
  event   bytea not null,             -- JSON, as it was decided
  records bytea not null,             -- JSON, what was told
  primary key (tenant, run, seq, stored)
) partition by range (stored);
create index history_follow on crossdock.history (tenant, xid);
create table crossdock.history_rest partition of crossdock.history default;
alter table crossdock.history_rest enable row level security;
alter table crossdock.history_rest force row level security;
call crossdock.protect('crossdock.history', 'select', 'select, insert, delete');

create sequence crossdock.outbox_id;
grant usage on sequence crossdock.outbox_id to crossdock_engine;
create table crossdock.outbox (
  tenant       integer not null,
  run          bigint not null,
  id           bigint not null default nextval('crossdock.outbox_id'),  -- the order of deciding
  token        bigint not null default 0,   -- fencing: of the last lease
  owner        bigint,                      -- the worker that has it
  due          timestamptz not null,        -- by the engine's clock
  leased_until timestamptz,                 -- by the server's real clock
  attempt      integer not null default 1,
  doubt        boolean not null default false,     -- an earlier try may have done it: find first
  withdrawn    boolean not null default false,     -- taken back: find only, never do
  limited      boolean not null default false,     -- its connection allows so many at one time
  status       text not null,  -- queued behind its lane | ready | leased | reported | given_up
  command      text not null,
  connection   text not null,
  lane         text not null default '',    -- the document; '' stands in no lane
  key          text not null,               -- the idempotency key
  error        text not null default '',    -- of the last try
  call         bytea not null,              -- JSON of messages.Call
  primary key (tenant, run, command)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0.5);
-- One head for each lane: the row that may leave. The others are queued behind it.
create unique index outbox_head on crossdock.outbox (tenant, connection, lane)
  where lane <> '' and status in ('ready', 'leased', 'reported');
create index outbox_queued on crossdock.outbox (tenant, connection, lane, id) where status = 'queued';
create index outbox_ready on crossdock.outbox (tenant, connection, due, id) where status = 'ready';
create index outbox_out on crossdock.outbox (tenant, connection) where status = 'leased' and limited;
call crossdock.protect('crossdock.outbox');

create table crossdock.connection (
  tenant      integer not null,
  name        text not null,
  system      text not null,          -- the contract that processes call: erp, wms, carrier
  connector   text not null,
  settings    bytea not null default '{}',     -- JSON, no secrets
  concurrency integer check (concurrency > 0),           -- calls at one time, over all workers
  rate        double precision check (rate > 0),         -- calls a second, over all workers
  stopped     timestamptz,                     -- nothing leaves
  stopped_by  text not null default '',
  stand_still boolean not null default false,  -- while stopped, deadlines of the runs that wait for it do not fire
  drain_rate  double precision check (drain_rate > 0),   -- calls a second, until what waited has left
  failures    integer not null default 0,      -- one after the other
  open_until  timestamptz,                     -- breaker: nothing leaves before; then one call tries
  opened      integer not null default 0,      -- times in a row: each waits longer
  tokens      double precision not null default 0,
  refilled    timestamptz not null default statement_timestamp(),
  primary key (tenant, name)
);
create index connection_system on crossdock.connection (tenant, system);
call crossdock.protect('crossdock.connection');

create table crossdock.task (
  tenant  integer not null,
  id      text not null,
  run     bigint not null,
  step    text not null,
  status  text not null default 'open',  -- open | decided | withdrawn
  role    text not null default '',
  opened  timestamptz not null,
  due     timestamptz,
  ended   timestamptz,
  data    bytea not null,             -- JSON, as the kernel told it
  primary key (tenant, id)
);
create index task_open on crossdock.task (tenant, role, opened) where status = 'open';
create index task_run on crossdock.task (tenant, run);
call crossdock.protect('crossdock.task');

create table crossdock.exception (
  tenant     integer not null,
  id         text not null,
  run        bigint not null,
  process    text not null,
  step       text not null,
  type       text not null,
  severity   text not null default 'medium',
  owner      text not null default '',
  connection text not null default '',
  message    text not null default '',
  count      integer not null default 1,
  opened     timestamptz not null,
  repeated   timestamptz,
  closed     timestamptz,
  data       bytea not null,          -- JSON, as the kernel told it
  primary key (tenant, id)
);
create index exception_open on crossdock.exception (tenant, type, opened) where closed is null;
create index exception_run on crossdock.exception (tenant, run);
call crossdock.protect('crossdock.exception');

create table crossdock.repair (
  tenant   integer not null,
  id       bigint generated always as identity,
  at       timestamptz not null default crossdock.now(),
  by       text not null,
  action   bytea not null,            -- JSON: the event that each run gets
  filter   bytea not null,            -- JSON: how the set was chosen
  trial    integer not null,          -- how many go first
  rate     double precision not null check (rate > 0),   -- runs a second, for the rest
  status   text not null default 'trial' check (status in ('trial', 'waiting', 'running', 'done', 'stopped')),
  counted  integer not null default 0,
  sent     integer not null default 0,
  last     timestamptz not null default statement_timestamp(),
  primary key (tenant, id)
);
create index repair_open on crossdock.repair (tenant, id) where status in ('trial', 'running');
call crossdock.protect('crossdock.repair');

create table crossdock.repair_item (
  tenant  integer not null,
  repair  bigint not null,
  n       integer not null,
  run     bigint not null,
  step    text not null default '',
  exception text not null default '',
  inbox   bigint,                     -- the event that repairs it; gone from there when it was decided
  sent    timestamptz,
  outcome text,                       -- mended | held | ended | stopped
  detail  text not null default '',
  primary key (tenant, repair, n)
);
create index repair_item_open on crossdock.repair_item (tenant, repair, n) where outcome is null;
call crossdock.protect('crossdock.repair_item');

create table crossdock.blob (
  tenant integer not null,
  hash   text not null,
  data   bytea not null,
  stored timestamptz not null default statement_timestamp(),
  primary key (tenant, hash)
);
call crossdock.protect('crossdock.blob', 'select', 'select, insert, delete');

select crossdock.make_partitions('history');
