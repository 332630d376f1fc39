-- Secrets of connections, sealed. A master key, which is never in the database, seals the data keys of each tenant;
-- they seal the values. What a value is bound to (tenant, connection, name) is authenticated with it, so that sealed
-- bytes which are put into another row do not open. The role of the pages sees everything but what is sealed.

create table crossdock.data_key (
  tenant integer not null,
  number integer not null check (number > 0),   -- the highest seals what is new; lower ones open what is old
  made   timestamptz not null default statement_timestamp(),
  master text not null,                          -- the name of the master key that sealed this copy
  sealed bytea not null,
  primary key (tenant, number, master)
);
call crossdock.protect('crossdock.data_key', app => '');
grant select (tenant, number, made, master) on crossdock.data_key to crossdock_app;

create table crossdock.secret (
  tenant     integer not null,
  place      integer not null check (place >= 0),  -- 0 is the one in use; the others hold still, while it replaces them
  key        integer not null,                   -- data_key.number
  set_at     timestamptz not null default statement_timestamp(),
  expires    timestamptz,
  connection text not null,
  name       text not null,
  set_by     text not null default '',
  sealed     bytea not null,
  primary key (tenant, connection, name, place)
);
call crossdock.protect('crossdock.secret', app => '');
grant select (tenant, place, key, set_at, expires, connection, name, set_by) on crossdock.secret to crossdock_app;

-- People and others whose data we hold: a key for each, sealed by a data key of the tenant. Where the key is gone,
-- nothing that it sealed opens again, wherever it stands: that is how they are erased.

create table crossdock.subject (
  tenant    integer not null,
  key       integer not null,               -- data_key.number
  made      timestamptz not null default statement_timestamp(),
  erased    timestamptz,
  handle    text not null,                  -- what stands in tokens: a keyed hash of the subject; '' is the index's own key
  subject   text not null,                  -- as it is called outside: customer/C-7, order/SO-1; '' once erased
  sealed    bytea,                          -- its key; null once erased
  primary key (tenant, handle)
);
call crossdock.protect('crossdock.subject', app => '');
grant select (tenant, made, erased, handle, subject) on crossdock.subject to crossdock_app;

-- A keyed index, blind to whoever has the table alone: words of names, whole names, e-mail addresses, telephone numbers.
create table crossdock.subject_word (
  tenant integer not null,
  word   bytea not null,
  handle text not null,
  primary key (tenant, word, handle)
);
create index subject_word_handle on crossdock.subject_word (tenant, handle);
call crossdock.protect('crossdock.subject_word', app => 'select');
