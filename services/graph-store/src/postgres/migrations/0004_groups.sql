-- Consumer groups and how far each has confirmed, per partition of the hot journal. A group that expired and came back has another id.
create table consumer_group (
  id bigint generated always as identity primary key,
  tenant text not null collate "C",
  name text not null collate "C",
  created_on timestamptz not null default now(),
  -- A group without members is forgotten some time after this.
  touched_on timestamptz not null default now(),
  unique (tenant, name)
);
create index consumer_group_touched on consumer_group (touched_on);

-- Every change of the partition up to `position` was confirmed by the group, or was not for it. Moved only under a fence that is not older.
create table group_position (
  consumer_group bigint not null references consumer_group on delete cascade,
  partition smallint not null,
  position bigint not null,
  fence bigint not null default 0,
  primary key (consumer_group, partition)
) with (fillfactor = 50);
