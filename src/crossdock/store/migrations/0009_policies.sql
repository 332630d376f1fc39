-- What a tenant has set itself about who may do what: its roles, and its policies in Cedar. Each change is a new
-- version with all of it; the highest counts, and none is ever changed or deleted.

create table crossdock.policy (
  tenant  integer not null,
  version integer not null check (version > 0),
  at      timestamptz not null default statement_timestamp(),
  by      text not null,
  why     text not null default '',
  roles   bytea not null,   -- JSON: {name: {"says": text, "actions": [...]}}
  text    text not null,    -- Cedar
  primary key (tenant, version)
);
call crossdock.protect('crossdock.policy', 'select', 'select, insert');
