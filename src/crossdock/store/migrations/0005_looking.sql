-- What looks for events that wait for a run, and what shows them, passes by those that wait for nobody: what is
-- dismissed, or of a type that no process has a use for, may be most of them.
drop index crossdock.parked_recent;
create index parked_recent on crossdock.parked (stored, id) where dismissed is null;
create index parked_open on crossdock.parked (tenant, id) where dismissed is null;
