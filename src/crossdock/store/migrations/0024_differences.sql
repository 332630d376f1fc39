-- What two systems list is compared as well. It may be in flight, so it waits until it has stood for a while:
-- `told` is then 'waiting', and `found` when both sides first said what they say.
alter table crossdock.difference
  add column against text not null default '',  -- the other system, where it is not what stands here
  add column item text not null default '';
