-- Numbers that are on their way, each asked for at its carrier in its turn, until its run has ended.

-- Whether somebody has looked who carries a tracking number.
alter table crossdock.alias add column followed boolean not null default false;
create index alias_unfollowed on crossdock.alias (tenant, run)
  where kind = 'tracking' and live and not followed;

create table crossdock.tracking (
  tenant       integer not null,
  connection   text not null,
  number       text not null,
  run          bigint not null,
  service      text not null default '',     -- the carrier's, as booked
  lane         text not null default '',     -- countries: US-CA
  calendar     text not null default '',     -- of the run: in its business time news is due
  booked       timestamptz not null default crossdock.now(),
  due          timestamptz not null default crossdock.now(),  -- by the engine's clock
  leased_until timestamptz,                  -- by the server's real clock
  asked        timestamptz,                  -- the last time that the carrier answered
  newest       timestamptz,                  -- when what it reported last happened
  code         text not null default '',     -- what that was
  place        text not null default '',
  silent       timestamptz,                  -- `newest` (or `booked`) when silence was told
  failures     integer not null default 0,   -- one after the other
  refused      boolean not null default false,  -- the last failure: the carrier said no
  error        text not null default '',
  primary key (tenant, connection, number)
) with (fillfactor = 80);
create index tracking_due on crossdock.tracking (due);
call crossdock.protect('crossdock.tracking');
