-- Deadlines are walked through in their order and from where the last look ended, also where many fall due at the
-- same instant: so the run stands in the index as well.
drop index crossdock.run_wake;
create index run_wake on crossdock.run (tenant, wake_at, id) where wake_at is not null;
