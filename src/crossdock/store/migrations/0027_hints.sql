-- A push that says no more than that there is news: the feeds of its connection are read at once, and once more where
-- they were just being read.
alter table crossdock.feed add column hinted boolean not null default false;
