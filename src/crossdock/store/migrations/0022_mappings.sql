-- Partners' words and ours. A version of a mapping never changes: what was translated names the one that did it. The
-- newest that was published is the one in use; an older one is published again.
create table crossdock.mapping (
  tenant       integer not null,
  published    timestamptz not null default clock_timestamp(),
  name         text not null,
  version      text not null,               -- by its content
  source       text not null,               -- YAML
  published_by text not null default '',
  primary key (tenant, name, version)
);
create index mapping_newest on crossdock.mapping (tenant, name, published);
call crossdock.protect('crossdock.mapping');

alter table crossdock.connection add column mapping text;              -- by name: what it delivers passes through it
alter table crossdock.delivery add column mapping text not null default '';   -- name@version, where one read it

-- Cross references: one of our codes and one of theirs. One of theirs means one of ours, one of ours is told by one of
-- theirs; `in` only reads, `out` only writes.
create table crossdock.code (
  tenant    integer not null,
  since     timestamptz not null default statement_timestamp(),
  scope     text not null,                  -- a connection, or a system for all of its connections
  kind      text not null check (kind in ('party', 'item', 'location', 'service', 'unit')),
  theirs    text not null,
  ours      text not null,
  direction text not null default 'both' check (direction in ('both', 'in', 'out')),
  by        text not null default '',
  primary key (tenant, scope, kind, theirs, ours)
);
create unique index code_in on crossdock.code (tenant, scope, kind, theirs) where direction <> 'out';
create unique index code_out on crossdock.code (tenant, scope, kind, ours) where direction <> 'in';
call crossdock.protect('crossdock.code');
