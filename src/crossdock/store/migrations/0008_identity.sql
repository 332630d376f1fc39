-- Who is known here: people, their sessions and one-time links, keys and the tokens that stand for them, and the
-- identity providers of a tenant. Whatever proves somebody (keys, tokens, cookies, links, recovery codes) is kept as a
-- hash alone; passwords as Argon2id; what must be read again (one-time secrets, secrets of providers) is sealed.
-- The role of the pages sees none of that. All times are of the server's real clock.

create table crossdock.person (
  tenant       integer not null,
  id           text not null check (id ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),   -- never used again: the row stays
  email        text not null default '',          -- in lower case
  name         text not null default '',
  roles        text[] not null default '{}',
  made         timestamptz not null default statement_timestamp(),
  made_by      text not null default '',
  seen         timestamptz,                       -- signed in last
  suspended    timestamptz,                       -- shut out since
  suspended_by text not null default '',
  issuer       text not null default '',          -- the identity provider that knows them, and as whom
  subject      text not null default '',
  password     text not null default '',          -- Argon2id; '' where they sign in elsewhere
  totp         bytea,                             -- the secret of their one-time codes, sealed
  totp_on      boolean not null default false,    -- they have shown a code of it: from then on it is asked for
  totp_step    bigint not null default 0,         -- the newest code that was taken: none is taken twice
  recovery     bytea[] not null default '{}',     -- hashes of codes that stand in for one
  primary key (tenant, id)
);
create unique index person_email on crossdock.person (tenant, email) where email <> '';
create unique index person_subject on crossdock.person (tenant, issuer, subject) where subject <> '';
call crossdock.protect('crossdock.person', app => '');
grant select (tenant, id, email, name, roles, made, made_by, seen, suspended, suspended_by, issuer, subject, totp_on)
  on crossdock.person to crossdock_app;

create table crossdock.session (
  tenant   integer not null,
  hash     bytea not null,                        -- of the cookie
  person   text not null,
  made     timestamptz not null default statement_timestamp(),
  seen     timestamptz not null default statement_timestamp(),   -- written at most once a minute
  until    timestamptz not null,                  -- whatever happens
  origin   text not null default '',
  agent    text not null default '',
  provider text not null default '',              -- that signed them in
  sid      text not null default '',              -- its name for the session
  hint     bytea,                                 -- its token, sealed: signing out there shows it
  primary key (tenant, hash)
);
create index session_person on crossdock.session (tenant, person);
call crossdock.protect('crossdock.session', app => '');
grant select (tenant, person, made, seen, until, origin, agent, provider) on crossdock.session to crossdock_app;

create table crossdock.link (
  tenant  integer not null,
  hash    bytea not null,                         -- of what stands in the address
  purpose text not null check (purpose in ('first', 'invitation', 'reset')),
  person  text not null default '',               -- whose password is set anew
  email   text not null default '',
  name    text not null default '',
  roles   text[] not null default '{}',
  made    timestamptz not null default statement_timestamp(),
  made_by text not null default '',
  expires timestamptz not null,
  primary key (tenant, hash)
);
call crossdock.protect('crossdock.link', app => '');
grant select (tenant, purpose, person, email, name, roles, made, made_by, expires) on crossdock.link to crossdock_app;

-- Sign-ins that failed, by who was named and by where it came from: counted for all processes together.
create table crossdock.sign_in_failure (
  tenant   integer not null,
  what     bytea not null,                        -- hash of the kind and the name or the address
  failures double precision not null default 0,   -- as of `at`; they fade
  at       timestamptz not null default statement_timestamp(),
  primary key (tenant, what)
);
call crossdock.protect('crossdock.sign_in_failure', app => '');
grant select (tenant, failures, at) on crossdock.sign_in_failure to crossdock_app;

create table crossdock.key (
  tenant     integer not null,
  id         text not null check (id ~ '^[a-z0-9]{1,32}$'),
  name       text not null default '',
  hash       bytea not null,                      -- SHA-256 of 256 random bits: nothing slower is needed
  roles      text[] not null default '{}',
  scopes     text[],                              -- acts it is narrowed to; null: whatever its roles may
  behind     text not null default '',            -- the person who answers for it
  made       timestamptz not null default statement_timestamp(),
  made_by    text not null default '',
  expires    timestamptz,
  used       timestamptz,                         -- written at most once a minute
  used_from  text not null default '',
  revoked    timestamptz,
  revoked_by text not null default '',
  primary key (tenant, id)
);
call crossdock.protect('crossdock.key', app => '');
grant select (tenant, id, name, roles, scopes, behind, made, made_by, expires, used, used_from, revoked, revoked_by)
  on crossdock.key to crossdock_app;

-- OAuth 2 access tokens: a key's rights for a short time. They fall with their key.
create table crossdock.access_token (
  tenant  integer not null,
  id      text not null,
  hash    bytea not null,
  key     text not null,
  scopes  text[],
  made    timestamptz not null default statement_timestamp(),
  expires timestamptz not null,
  primary key (tenant, id)
);
create index access_token_key on crossdock.access_token (tenant, key);
call crossdock.protect('crossdock.access_token', app => '');
grant select (tenant, id, key, scopes, made, expires) on crossdock.access_token to crossdock_app;

create table crossdock.identity_provider (
  tenant        integer not null,
  name          text not null check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  title         text not null default '',         -- what stands on the button
  issuer        text not null,
  client_id     text not null,
  client_secret bytea,                            -- sealed
  scopes        text[] not null default '{openid,email,profile}',
  claim         text not null default 'groups',   -- of the token that lists the groups of a person
  groups        jsonb not null default '{}',      -- group: roles
  made          timestamptz not null default statement_timestamp(),
  primary key (tenant, name)
);
call crossdock.protect('crossdock.identity_provider', app => '');
grant select (tenant, name, title, issuer, client_id, scopes, claim, groups, made)
  on crossdock.identity_provider to crossdock_app;
