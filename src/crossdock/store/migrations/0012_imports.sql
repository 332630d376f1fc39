-- Imports: many events or orders that came in one file. Its lines are checked as they come; those that are good wait
-- in `api_import_line` until they have gone into the inbox, each named after import and line, so that none goes twice.

create table crossdock.api_import (
  tenant    integer not null,
  id        bigint generated always as identity,
  at        timestamptz not null default statement_timestamp(),
  ended     timestamptz,
  lease     timestamptz not null default statement_timestamp(),  -- of who receives or sends it
  status    text not null default 'receiving'
            check (status in ('receiving', 'sending', 'done', 'refused', 'checked', 'stopped')),
  what      text not null,                -- events | orders
  form      text not null,                -- ndjson | csv
  type      text not null default '',     -- of the events that orders become
  whole     boolean not null,             -- all or nothing
  by        text not null,
  principal bytea not null,               -- JSON: whose import it is, and in which roles
  key       bytea,                        -- digest of the idempotency key
  digest    bytea,                        -- of what was sent
  lines     integer not null default 0,
  good      integer not null default 0,
  bad       integer not null default 0,
  sent      integer not null default 0,
  upto      integer not null default 0,   -- the last line that was sent
  fates     jsonb not null default '{}',  -- what became of how many
  error     text not null default '',
  primary key (tenant, id)
);
create unique index api_import_key on crossdock.api_import (tenant, by, key) where key is not null;
create index api_import_open on crossdock.api_import (lease) where status = 'sending';
call crossdock.protect('crossdock.api_import', 'select, insert, update, delete');

create table crossdock.api_import_line (
  tenant  integer not null,
  import  bigint not null,
  line    integer not null,
  arrival bytea not null,                 -- JSON of the event
  primary key (tenant, import, line)
);
call crossdock.protect('crossdock.api_import_line', 'select, insert, delete');

create table crossdock.api_import_fault (
  tenant  integer not null,
  import  bigint not null,
  n       integer not null,
  line    integer not null,
  field   text not null,
  detail  text not null,
  mend    text not null,
  primary key (tenant, import, n)
);
call crossdock.protect('crossdock.api_import_fault', 'select, insert, delete');
