-- The numbers of a run, for those that stand still while the connection that they are followed by is stopped.
create index tracking_run on crossdock.tracking (tenant, run);
