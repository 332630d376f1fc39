-- Connections: which are there to try things out, how their calls went, and what was recorded of their traffic.

alter table crossdock.connection
  add column environment text not null default 'production' check (environment in ('production', 'sandbox')),
  add column record_until timestamptz;       -- by the engine's clock: until then its traffic is recorded

-- How calls of a connection ended, minute by minute; `span` is a step of the scale of lengths (connect/watch.py).
create table crossdock.connection_minute (
  tenant     integer not null,
  connection text not null,
  minute     timestamptz not null,
  ended      text not null,                  -- done | refused | unreachable | unknown
  span       integer not null,
  calls      integer not null,
  primary key (tenant, connection, minute, ended, span)
) with (fillfactor = 80);
create index connection_minute_old on crossdock.connection_minute (minute);
call crossdock.protect('crossdock.connection_minute');

create table crossdock.connection_health (
  tenant       integer not null,
  connection   text not null,
  succeeded    timestamptz,                  -- the last time
  failed       timestamptz,                  -- the last time that it did not answer as it should
  quota_left   double precision,             -- as the other side tells it
  quota_limit  double precision,
  quota_resets timestamptz,
  primary key (tenant, connection)
) with (fillfactor = 80);
call crossdock.protect('crossdock.connection_health');

-- Requests and answers, as HAR 1.2 has them, without secrets and personal data.
create table crossdock.traffic (
  tenant     integer not null,
  id         bigint generated always as identity,
  connection text not null,
  at         timestamptz not null default statement_timestamp(),
  entry      bytea not null,
  primary key (tenant, id)
);
create index traffic_connection on crossdock.traffic (tenant, connection, id);
call crossdock.protect('crossdock.traffic');
