-- The doors in. What partners sent stays as it was sent: `delivery` tells what became of it, its body stands in
-- `blob` by its content. `feed` is how far each feed of each connection has been read.

create table crossdock.delivery (
  tenant     integer not null,
  id         bigint generated always as identity,
  stored     timestamptz not null default statement_timestamp(),
  at         timestamptz not null default crossdock.now(),
  events     integer not null default 0,    -- that it became
  decided    timestamptz,                   -- replayed or dismissed
  connection text not null,
  feed       text not null default '',      -- '' for what was pushed
  message    text not null,                 -- the sender's id of it, else the digest of the body
  outcome    text not null check (outcome in ('taken', 'duplicate', 'ignored', 'quarantined', 'replayed', 'dismissed')),
  reason     text not null default '',
  by         text not null default '',      -- who replayed or dismissed it
  body       text not null,                 -- blob.hash
  headers    bytea not null default '{}',   -- JSON, without those that prove who sent it
  primary key (tenant, id, stored)
) partition by range (stored);
create index delivery_quarantined on crossdock.delivery (tenant, id) where outcome = 'quarantined';
create index delivery_message on crossdock.delivery (tenant, connection, message);
create table crossdock.delivery_rest partition of crossdock.delivery default;
alter table crossdock.delivery_rest enable row level security;
alter table crossdock.delivery_rest force row level security;
call crossdock.protect('crossdock.delivery');

create table crossdock.feed (
  tenant       integer not null,
  connection   text not null,
  name         text not null,
  cursor       text not null default '',
  due          timestamptz not null default crossdock.now(),   -- by the engine's clock
  leased_until timestamptz,                 -- by the server's real clock
  read_at      timestamptz,                 -- the last time that worked, by the engine's clock
  failures     integer not null default 0,  -- one after the other
  error        text not null default '',
  primary key (tenant, connection, name)
) with (fillfactor = 80);
call crossdock.protect('crossdock.feed');

select crossdock.make_partitions('delivery');
