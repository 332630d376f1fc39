-- Lists of runs walk an index whatever they are asked for: by time, by what has become of them, by partner.

-- Who carries it out, as its document names it. A partner sees what is its own: also of a document that is so large that
-- its state holds only the name of it.
alter table crossdock.run add column carrier text;
update crossdock.run set carrier = convert_from(state, 'UTF8')::json #>> '{document,carrier}'
where state is not null
  and json_typeof(convert_from(state, 'UTF8')::json #> '{document,carrier}') = 'string';
create index run_carrier on crossdock.run (tenant, carrier, id) where carrier is not null;

create index run_created on crossdock.run (tenant, created, id);

-- A run comes here once, when it ends.
create index run_over on crossdock.run (tenant, status, id) where ended is not null;
