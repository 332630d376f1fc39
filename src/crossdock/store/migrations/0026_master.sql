-- Master data that is read from the systems that keep it. What was read last is kept, so that what is renamed there,
-- goes there, or stands against another, is seen; it waits for a person and changes no cross reference by itself.
create table crossdock.master (
  tenant     integer not null,
  connection text not null,
  kind       text not null,                 -- party | item | location | service | unit
  id         text not null,                 -- theirs, which stays where its code changes
  code       text not null,                 -- as their documents name it
  ours       text not null,                 -- our code as the system has it; '' where it has none
  active     boolean not null,
  was        text not null default '',      -- the code that it had, while a person has not decided
  finding    text not null default '',      -- '' | taken | doubled | renamed | gone | unknown
  here       text not null default '',
  there      text not null default '',
  mend       text not null default '',
  found      timestamptz,
  primary key (tenant, connection, kind, id)
);
create index master_waiting on crossdock.master (tenant, connection, kind, id) where finding <> '';
call crossdock.protect('crossdock.master');

create table crossdock.master_reading (
  tenant       integer not null,
  connection   text not null,
  kinds        text[] not null,             -- that are read
  numbers      bytea not null default '{}', -- JSON: kind to which of their numbers is our code
  cursors      bytea not null default '{}', -- JSON: kind to how far it was read
  due          timestamptz,                 -- by the engine's clock; null: not on a schedule
  leased_until timestamptz,                 -- by the server's real clock
  ran          timestamptz,                 -- the last time that it ended
  whole        timestamptz,                 -- the last time that it was read from the beginning
  failures     integer not null default 0,  -- one after the other
  failed       text not null default '',
  counts       bytea not null default '{}', -- JSON: of the last reading, by kind
  told         text not null default '',    -- since when an exception says that some wait
  since        timestamptz,                 -- that some wait
  primary key (tenant, connection)
);
create index master_reading_due on crossdock.master_reading (due) where due is not null;
call crossdock.protect('crossdock.master_reading');
