-- Personal data: which tenants seal it, and whose data the events of a business key hold.

-- Made when a tenant begins to seal; the row stays, since what was sealed has to be opened ever after. Nothing is sealed
-- before `since`: by then every process knows that there may be something to open.
create table crossdock.personal (
  tenant integer primary key,
  since  timestamptz not null,              -- by the server's real clock, as all times here
  until  timestamptz,                       -- nothing new is sealed after
  by     text not null
);
call crossdock.protect('crossdock.personal');

-- The first subject of a key keeps it, erased or not: what comes late about an order of somebody who was erased is
-- theirs still, and is not kept.
create table crossdock.subject_key (
  tenant integer not null,
  kind   text not null,
  value  text not null,
  handle text not null,                     -- subject.handle
  primary key (tenant, kind, value)
);
create index subject_key_handle on crossdock.subject_key (tenant, handle);
call crossdock.protect('crossdock.subject_key');

create index subject_raw on crossdock.subject (made) where subject like 'raw/%' and erased is null;
create index subject_erased on crossdock.subject (tenant, erased) where erased is not null;
