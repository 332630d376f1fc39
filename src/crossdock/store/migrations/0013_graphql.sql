-- Queries that are known by their hash, for each tenant: sent once by a program, or let in by an administrator.

create table crossdock.graphql_query (
  tenant  integer not null,
  stored  timestamptz not null default statement_timestamp(),
  allowed boolean not null default false,   -- let in: it holds where no others do
  hash    text not null check (hash ~ '^[0-9a-f]{64}$'),
  text    text not null,
  by      text not null default '',
  primary key (tenant, hash)
);
call crossdock.protect('crossdock.graphql_query');
