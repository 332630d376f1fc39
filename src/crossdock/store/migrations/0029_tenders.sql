-- Tenders that are open are asked for as numbers on their way are, at planners that tell how one stands.
alter table crossdock.tracking add column what text not null default 'tracking';  -- or tender
alter table crossdock.tracking drop constraint tracking_pkey;
alter table crossdock.tracking add primary key (tenant, connection, what, number);
drop index crossdock.alias_unfollowed;
create index alias_unfollowed on crossdock.alias (tenant, run)
  where kind in ('tracking', 'tender') and live and not followed;
