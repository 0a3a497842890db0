-- The graph, its journal and what makes writes exact.
-- Runs once, in one transaction, under the migration lock. `:partitions` and `:epoch` are filled in by migrate.ts.

-- The last step before every commit takes this row, so seq is dense and follows commit order, and whoever reads it in a snapshot knows
-- exactly which changes the snapshot contains. One row; fillfactor keeps its updates on one page.
create table sequencer (
  one boolean primary key default true check (one),
  seq bigint not null,
  epoch text not null
) with (fillfactor = 50);

-- What the journal's history is tied to: another system identifier or timeline means that the database was restored or failed over.
create table journal_identity (
  one boolean primary key default true check (one),
  system_identifier text not null,
  timeline bigint not null,
  partitions integer not null check (partitions between 1 and 256)
);

create table element (
  tenant text not null collate "C",
  id text not null collate "C",
  kind text not null check (kind in ('vertex', 'edge')),
  type text not null collate "C",
  scope text not null collate "C",
  xid text collate "C",
  attributes jsonb not null,
  version bigint not null,
  seq bigint not null,
  created_on bigint not null,
  created_by text not null,
  created_app text not null,
  modified_on bigint not null,
  modified_by text not null,
  modified_app text not null,
  deleted boolean not null,
  out_id text collate "C",
  in_id text collate "C",
  out_type text collate "C",
  in_type text collate "C",
  -- Names whose values stand in unique_key while the element lives.
  unique_names text[] not null default '{}',
  -- The blob the element refers to.
  content text,
  primary key (tenant, id)
);
create index element_type on element (tenant, type, created_on, id) where not deleted;
create index element_xid on element (tenant, xid) where xid is not null;
create index element_out on element (tenant, out_id, type) where kind = 'edge' and not deleted;
create index element_in on element (tenant, in_id, type) where kind = 'edge' and not deleted;
create index element_attributes on element using gin (attributes jsonb_path_ops);
create index element_content on element (tenant, content) where content is not null;

create table unique_key (
  tenant text not null collate "C",
  name text not null collate "C",
  value text not null collate "C",
  element text not null collate "C",
  primary key (tenant, name, value)
);

-- One row per change: the element as the change left it, and what restores the state before. Who did it and when is the element's `modified`.
-- The attributes are plain JSON text to PostgreSQL: nothing searches in them.
create table journal (
  seq bigint not null,
  epoch text not null,
  slot smallint not null,
  tenant text not null collate "C",
  element text not null collate "C",
  kind text not null,
  type text not null,
  scope text not null,
  xid text,
  attributes json not null,
  version bigint not null,
  created_on bigint not null,
  created_by text not null,
  created_app text not null,
  modified_on bigint not null,
  modified_by text not null,
  modified_app text not null,
  deleted boolean not null,
  out_id text,
  in_id text,
  out_type text,
  in_type text,
  owners text[] not null,
  action text not null,
  undo json not null,
  seq_before bigint not null,
  protocol text not null,
  way text not null,
  operation text not null,
  operation_id text not null,
  first_seq bigint not null,
  last_seq bigint not null,
  primary key (seq)
) partition by range (seq);
create index journal_slot on journal (slot, seq);
create index journal_element on journal (tenant, element, seq);
create index journal_time on journal using brin (modified_on);

-- Successful requests by operation id, for repeats. `reply` counts changes from `base`, the sequencer before the batch, and names them in
-- place of their states, which the journal has.
-- Partitioned by the day that the id itself names, so that a repeat over midnight meets its first attempt.
create table operation (
  day integer not null,
  id text not null collate "C",
  hash bytea not null,
  base bigint not null,
  reply json not null,
  primary key (day, id)
) partition by range (day);

-- Who may publish. `until` is on PostgreSQL's clock.
create table publisher (
  one boolean primary key default true check (one),
  holder text not null,
  fence bigint not null,
  until timestamptz not null,
  published_seq bigint not null
);
insert into publisher values (true, '', 0, '-infinity', 0);

-- Values of time series. A value written again for the same time leaves the old row behind with `current` false.
create table series_value (
  tenant text not null collate "C",
  element text not null collate "C",
  at bigint not null,
  written bigint generated always as identity,
  value json not null,
  expires_on bigint,
  current boolean not null default true,
  primary key (tenant, element, at, written)
);
create index series_expiry on series_value (expires_on) where expires_on is not null;

create table content (
  tenant text not null collate "C",
  id text not null collate "C",
  size bigint not null,
  chunks integer not null,
  complete boolean not null,
  media_type text not null,
  -- An element referred to it once: it stays readable by its id, as history needs it.
  used boolean not null default false,
  touched_on timestamptz not null default now(),
  primary key (tenant, id)
);
create table chunk (
  tenant text not null collate "C",
  content text not null collate "C",
  index integer not null,
  data bytea not null,
  primary key (tenant, content, index),
  foreign key (tenant, content) references content (tenant, id) on delete cascade
);

-- Locks elements in one pass in the order of their ids, each in its own mode, so that two batches never wait for each other in a circle.
-- In: tenants, ids, and whether each is to be written (else it only must not change or go). Rows that do not exist are passed over.
create function lock_elements(tenants text[], ids text[], writes boolean[]) returns void language plpgsql as $$
declare
  wanted record;
begin
  for wanted in
    select t as tenant, i as id, bool_or(w) as write from unnest(tenants, ids, writes) as u(t, i, w)
    group by t, i order by t collate "C", i collate "C"
  loop
    if wanted.write then
      perform 1 from element e where e.tenant = wanted.tenant and e.id = wanted.id for update;
    else
      perform 1 from element e where e.tenant = wanted.tenant and e.id = wanted.id for share;
    end if;
  end loop;
end $$;
