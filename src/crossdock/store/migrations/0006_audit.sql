-- The audit: who did what, chained by hash for each tenant; and tenants that are suspended.
--
--   audit             one row for each act, numbered without gaps; hash = audit_hash(hash of the row before, this row)
--   audit_head        the newest number and hash of each tenant; its row lock makes the entries of a tenant serial
--   audit_checkpoint  signed: the chain until an entry, and the history until a transaction
--
-- Rows of audit and audit_checkpoint are added and read, by either role; nobody may change or delete them.
-- Lock order: the row of audit_head comes last in a transaction.

create function crossdock.audit_hash(previous bytea, tenant integer, number bigint, at timestamptz, body bytea)
returns bytea language sql stable parallel safe as $$
  select sha256('crossdock.audit.1'::bytea || previous || int8send(tenant::bigint) || int8send(number)
                || int8send((extract(epoch from at) * 1000000)::bigint) || body)
$$;

create table crossdock.audit (
  tenant    integer not null,
  number    bigint not null,
  at        timestamptz not null,          -- by the server's real clock
  home      integer not null,              -- the tenant of the actor: the operator's, where it acts on another
  kind      text not null check (kind in ('human', 'key', 'assistant', 'system')),
  actor     text not null,
  behind    text not null,                 -- the person whose key, link or delegation it was
  roles     text[] not null default '{}',  -- at that time, sorted
  action    text not null,
  on_kind   text not null,
  on_id     text not null,
  outcome   text not null check (outcome in ('done', 'refused', 'failed')),
  why       text not null,
  origin    text not null,
  count     integer not null check (count > 0),  -- how many equal attempts it stands for
  before    text not null,                 -- JSON, as it was hashed; '' for none; of large ones digest and size
  after     text not null,
  previous  bytea not null,
  hash      bytea not null,
  primary key (tenant, number)
);
create index audit_actor on crossdock.audit (tenant, actor, number);
create index audit_on on crossdock.audit (tenant, on_kind, on_id, number);
call crossdock.protect('crossdock.audit', 'select, insert', 'select, insert');

create table crossdock.audit_head (
  tenant    integer not null primary key,
  number    bigint not null,
  at        timestamptz not null,
  previous  bytea not null,
  hash      bytea not null
) with (fillfactor = 50);
call crossdock.protect('crossdock.audit_head', 'select, insert, update', 'select, insert, update');

create table crossdock.audit_checkpoint (
  tenant    integer not null,
  number    bigint not null,
  at        timestamptz not null default statement_timestamp(),
  entries   bigint not null,   -- the chain is signed until this entry
  upto      bigint not null,   -- the history is signed until before the transaction of this number
  statement text not null,     -- what is signed, byte for byte
  signature bytea not null,
  leaves    bytea not null,    -- of each history row since the checkpoint before: run, seq, hash (8 + 4 + 20 bytes)
  primary key (tenant, number)
);
call crossdock.protect('crossdock.audit_checkpoint', 'select', 'select, insert');

-- Of a history row, what a checkpoint holds: its place, and a hash over all of it. Binary forms, each text before
-- the last with its length; what is long is put together once.
create function crossdock.history_leaf(row_ crossdock.history) returns bytea
language sql stable parallel safe as $$
  select int8send(row_.run) || int4send(row_.seq) || substr(sha256(
    'crossdock.history.1'::bytea || int4send(row_.tenant) || int8send(row_.run) || int4send(row_.seq)
    || timestamptz_send(row_.at) || timestamptz_send(row_.stored) || xid8send(row_.xid)
    || int4send(octet_length(row_.type)) || int4send(octet_length(row_.event)) || textsend(row_.type)
    || (row_.event || row_.records)), 1, 20)
$$;

-- A tenant that is suspended: nothing enters, leaves or is decided.
alter table crossdock.tenant
  add column suspended timestamptz,
  add column suspended_by text not null default '',
  add column suspended_why text not null default '';

-- What neither role may delete goes with its tenant, by the hand of the tables' owner alone.
create function crossdock.erase_kept(gone integer) returns table (name text, rows bigint)
language plpgsql as $$
begin
  for name in
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'crossdock' and c.relkind in ('r', 'p') and not c.relispartition
      and exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant')
      and not has_table_privilege('crossdock_engine', c.oid, 'DELETE')
    order by 1
  loop
    execute format('alter table crossdock.%I no force row level security', name);
    execute format('delete from crossdock.%I where tenant = $1', name) using gone;
    get diagnostics rows = row_count;
    execute format('alter table crossdock.%I force row level security', name);
    return next;
  end loop;
end $$;
revoke all on function crossdock.erase_kept(integer) from public;
