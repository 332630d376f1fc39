-- How often one may ask: buckets that refill, and what is agreed with tenants and keys besides the settings.
--
--   throttle        a bucket: the instant at which it is full again is all that is kept of it. The other columns
--                   carry what is drawn into the statement. Unlogged: no draw waits for the disk, and after a crash
--                   all buckets are full
--   throttle_limit  `who` is a key or a person; empty for the tenant as a whole

create function crossdock.throttle_now() returns double precision language sql stable parallel safe as $$
  select extract(epoch from statement_timestamp())::double precision
$$;

create unlogged table crossdock.throttle (
  tenant  integer not null,                 -- 0 for who has not shown who they are
  full_at double precision not null,        -- seconds since 1970, by the server's real clock
  each    double precision not null check (each > 0),   -- seconds in which one unit refills
  span    double precision not null,        -- seconds in which all do
  want    integer not null,
  back    integer not null,
  granted integer not null,
  name    text not null,
  primary key (tenant, name)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
call crossdock.protect('crossdock.throttle', app => '');
grant select (tenant, full_at, name) on crossdock.throttle to crossdock_app;

create table crossdock.throttle_limit (
  tenant  integer not null,
  amount  integer not null check (amount > 0),
  seconds double precision not null check (seconds > 0),
  who     text not null,
  kind    text not null,
  primary key (tenant, who, kind)
);
call crossdock.protect('crossdock.throttle_limit');
