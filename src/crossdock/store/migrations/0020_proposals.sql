-- What is proposed, for people to decide: a deed of the desk on one run, and what was seen when it was proposed.

create table crossdock.proposal (
  tenant     integer not null,
  id         bigint generated always as identity,
  run        bigint not null,
  task       text not null default '',
  exception  text not null default '',
  deed       text not null,                 -- run.retry, task.decide ...
  given      bytea not null,                -- JSON: what the deed is given
  seen       text not null,                 -- what it was about, as desk/proposals.py reads it
  by         text not null,
  person     text not null,                 -- who answers for whoever proposed; '' for nobody
  model      text not null,                 -- what it was made by
  why        text not null,
  at         timestamptz not null default statement_timestamp(),
  status     text not null default 'open' check (status in ('open', 'accepted', 'declined', 'fallen')),
  decided    timestamptz,
  decided_by text not null default '',
  note       text not null default '',
  primary key (tenant, id)
) with (fillfactor = 80);
create index proposal_open on crossdock.proposal (tenant, id) where status = 'open';
create index proposal_run on crossdock.proposal (tenant, run);
call crossdock.protect('crossdock.proposal');
