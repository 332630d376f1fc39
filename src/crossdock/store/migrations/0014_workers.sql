-- Who works, so that workers share runs out among each other. Nothing depends on it, so it need not outlive a crash.
create unlogged table crossdock.worker (
  owner bigint primary key,
  seen  timestamptz not null   -- by the server's real clock
) with (fillfactor = 50);
grant select, insert, update, delete on crossdock.worker to crossdock_engine;
