-- The ground that all tables stand on: the clock, the tenant of a transaction, and how a table is protected.
-- Roles are made by the migrator, since they belong to the server and not to the database:
--   crossdock_engine  spans tenants, may touch only what protect() or a grant gives it
--   crossdock_app     sees the tenant of its transaction and nothing else; cannot bypass row-level security

grant usage on schema crossdock to crossdock_engine, crossdock_app;

-- The only clock for deadlines. Virtual in demos, tests and backtests: it starts at `anchor` when the real
-- clock shows `real`, and runs `rate` times as fast. Leases and limits, which are about the world outside,
-- follow the server's real clock always.
create table crossdock.clock (
  only_row boolean primary key default true check (only_row),
  virtual  boolean not null default false,
  anchor   timestamptz not null default statement_timestamp(),
  real     timestamptz not null default statement_timestamp(),
  rate     double precision not null default 1 check (rate >= 0)
);
insert into crossdock.clock default values;
grant select on crossdock.clock to crossdock_app, crossdock_engine;
grant update on crossdock.clock to crossdock_engine;

create function crossdock.now() returns timestamptz language sql stable parallel safe as $$
  select case when c.virtual then c.anchor + (statement_timestamp() - c.real) * c.rate
              else statement_timestamp() end
  from crossdock.clock c
$$;

-- The tenant of the transaction; null (which equals nothing) where none was set.
create function crossdock.tenant() returns integer language sql stable parallel safe as $$
  select nullif(current_setting('crossdock.tenant', true), '')::integer
$$;

-- Close a table: row-level security is on and forced, the app role sees its tenant's rows and may do `app` to
-- them, the engine role spans tenants and may do `engine`. Every table with a tenant passes through here.
create procedure crossdock.protect(name regclass, app text default 'select',
                                   engine text default 'select, insert, update, delete')
language plpgsql as $$
begin
  execute format('alter table %s enable row level security', name);
  execute format('alter table %s force row level security', name);
  execute format('create policy app on %s to crossdock_app using (tenant = crossdock.tenant()) '
                 'with check (tenant = crossdock.tenant())', name);
  execute format('create policy engine on %s to crossdock_engine using (true) with check (true)', name);
  if app <> '' then
    execute format('grant %s on %s to crossdock_app', app, name);
  end if;
  if engine <> '' then
    execute format('grant %s on %s to crossdock_engine', engine, name);
  end if;
end $$;

create table crossdock.tenant (
  tenant  integer generated always as identity primary key,
  name    text not null unique check (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  title   text not null default '',
  settings bytea not null default '{}',   -- JSON; what expressions see as tenant.settings
  created timestamptz not null default statement_timestamp()
);
call crossdock.protect('crossdock.tenant');

-- Partitions by week of the real clock, for tables that only grow. Rows beyond the made partitions go to the
-- default one, so that nothing fails when nobody made them.
create function crossdock.make_partitions(name text, weeks_ahead integer default 2) returns integer
language plpgsql security definer set search_path = pg_catalog as $$
declare
  monday date := date_trunc('week', statement_timestamp() at time zone 'utc')::date;
  first date; part text; made integer := 0;
begin
  for i in 0..weeks_ahead loop
    first := monday + 7 * i;
    part := name || '_' || to_char(first, 'YYYYMMDD');
    continue when to_regclass('crossdock.' || quote_ident(part)) is not null;
    perform pg_advisory_xact_lock(hashtext('crossdock.partition'));
    continue when to_regclass('crossdock.' || quote_ident(part)) is not null;
    begin
      execute format('create table crossdock.%I partition of crossdock.%I for values from (%L) to (%L)',
                     part, name, first::text || ' 00:00+00', (first + 7)::text || ' 00:00+00');
      execute format('alter table crossdock.%I enable row level security', part);
      execute format('alter table crossdock.%I force row level security', part);
      made := made + 1;
    exception when check_violation then null;  -- the default partition holds rows of that week already
    end;
  end loop;
  return made;
end $$;

-- Drop the partitions of a table that lie wholly before an instant of the real clock.
create function crossdock.drop_partitions(name text, before timestamptz) returns integer
language plpgsql security definer set search_path = pg_catalog as $$
declare part text; dropped integer := 0;
begin
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = to_regclass('crossdock.' || quote_ident(name)) and c.relname ~ '_[0-9]{8}$'
  loop
    continue when to_date(right(part, 8), 'YYYYMMDD') + 7 > (before at time zone 'utc')::date;
    execute format('drop table crossdock.%I', part);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;
revoke all on function crossdock.make_partitions(text, integer) from public;
revoke all on function crossdock.drop_partitions(text, timestamptz) from public;
grant execute on function crossdock.make_partitions(text, integer) to crossdock_engine;
grant execute on function crossdock.drop_partitions(text, timestamptz) to crossdock_engine;
