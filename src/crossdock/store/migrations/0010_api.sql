-- What the API keeps: the secret that names and cursors of a tenant are made with; answers to what was asked with an
-- idempotency key, for as long as they may be asked for again.

create table crossdock.api_secret (
  tenant integer not null primary key,
  secret bytea not null check (length(secret) = 32)
);
call crossdock.protect('crossdock.api_secret', 'select, insert');

create table crossdock.api_answer (
  tenant      integer not null,
  principal   text not null,
  key         bytea not null,                -- digest of the idempotency key
  fingerprint bytea not null,                -- digest of what was asked
  begun       timestamptz not null default statement_timestamp(),
  until       timestamptz not null,          -- of an answer: it may be asked for so long. Of one that is at work: its lease
  status      integer,                       -- null: at work
  headers     bytea not null default '{}',   -- JSON
  body        bytea not null default '',
  primary key (tenant, principal, key)
);
create index api_answer_until on crossdock.api_answer (until);
call crossdock.protect('crossdock.api_answer', 'select, insert, update, delete', 'select, insert, update, delete');

-- Lists of runs of one process, and of runs that are open: newest first, however many others there are. They state
-- conditions that hot statements do not, so that no luck takes them there.
create index run_process on crossdock.run (tenant, process, id) where process <> '';
create index run_open on crossdock.run (tenant, id) where ended is null;
