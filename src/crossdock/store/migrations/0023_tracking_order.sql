-- Of each connection the numbers that are due longest: a walk of the index, however many are followed.
create index tracking_next on crossdock.tracking (tenant, connection, due);
