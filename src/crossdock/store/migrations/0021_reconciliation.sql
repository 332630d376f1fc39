-- What stands in other systems is compared with what stands here, per tenant, on a schedule.

create table crossdock.reconciliation (
  tenant       integer not null primary key,
  due          timestamptz not null default crossdock.now(),  -- by the engine's clock
  leased_until timestamptz,                 -- by the server's real clock
  ran          timestamptz,                 -- the last time that it ended, by the engine's clock
  since        timestamptz,                 -- from when on was looked
  seconds      double precision not null default 0,           -- that it took
  failures     integer not null default 0,  -- one after the other
  failed       bytea not null default '{}', -- JSON: connection to why it could not be read
  compared     bytea not null default '{}'  -- JSON: what to how many
);
call crossdock.protect('crossdock.reconciliation');

create table crossdock.difference (
  tenant     integer not null,
  id         bigint generated always as identity,
  what       text not null,                 -- orders | invoices | shipments
  kind       text not null,
  about      text not null,                 -- the business number
  connection text not null,
  severity   text not null,
  here       text not null,                 -- how it stands here
  there      text not null,                 -- and there
  mend       text not null,                 -- what would mend it
  takes_in   boolean not null default false,-- it is mended by taking in what was lost
  "order"    text not null default '',
  shipment   text not null default '',
  invoice    text not null default '',
  at         timestamptz not null,          -- of the fact
  found      timestamptz not null default crossdock.now(),
  seen       timestamptz not null default crossdock.now(),   -- the last time
  gone       timestamptz,
  told       text not null default '',      -- '' | found | gone: the event that went out
  mended_by  text not null default '',
  primary key (tenant, id)
);
create unique index difference_open on crossdock.difference (tenant, what, kind, about) where gone is null;
create index difference_untold on crossdock.difference (tenant, id)
  where told = '' or (told = 'found' and gone is not null);
call crossdock.protect('crossdock.difference');
