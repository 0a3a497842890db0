-- Moving a tenant with its data to another journal (docs/adr/0032).

-- While `until` is set, the tenant is still here and is read, but not written: the last step of a move. When that time is over, whoever notices removes
-- the row, and the tenant is written here again. The move's decision sets it to null. `mover` is the run of the move.
alter table away add column until timestamptz, add column mover text;

-- In the journal that a tenant leaves, from the beginning of its move until its rows are removed.
create table departure (
  tenant text primary key collate "C",
  -- Where it goes.
  journal text not null,
  -- Every change up to here was copied; retention keeps those after it.
  copied bigint not null,
  -- The run of the move that decided that the tenant is there now; null while it is still here.
  decided_by text
);

-- In the journal that a tenant goes to, until it is served there.
create table arrival (
  tenant text primary key collate "C",
  -- Where it comes from, and the history of that journal that is copied.
  source text not null,
  source_epoch text not null,
  -- The run of the move; another one that takes over changes it, and the one before finds out.
  mover text not null,
  -- Every change of the tenant up to here, in the numbers of its source, is in this journal.
  copied bigint not null,
  -- What stands in place of a number of the source whose change was not kept.
  floor bigint not null,
  -- How far the other tables were copied.
  progress json not null default '{}',
  -- Everything is here as of the last step of the run; whether it was decided is known to the source.
  complete boolean not null default false
);

-- Numbers of changes in the source and here.
create table arrival_seq (
  tenant text not null collate "C",
  was bigint not null,
  now bigint not null,
  primary key (tenant, was)
);

-- What was written since is found without reading everything.
create index series_written on series_value using brin (written);

-- As before, and keeps what a move has not copied yet.
create or replace function drop_old_journal(partition_rows bigint, before_ms bigint) returns integer language plpgsql security definer set search_path = public, pg_temp as $$
declare
  current bigint := (select seq / partition_rows from sequencer);
  needed_after bigint := least((select min(position) from group_position), (select min(copied) from departure where decided_by is null));
  oldest record;
  dropped integer := 0;
begin
  for oldest in
    select child.relname as name, substring(child.relname from '^journal_([0-9]+)$')::bigint as number
    from pg_inherits join pg_class child on child.oid = inhrelid join pg_class parent on parent.oid = inhparent
    where parent.relname = 'journal' order by 2
  loop
    exit when oldest.number >= current;
    exit when needed_after < (oldest.number + 1) * partition_rows - 1;
    -- Its last row is its newest; without one the partition is not full, which only the newest can be.
    exit when not exists (select 1 from journal where seq = (oldest.number + 1) * partition_rows - 1 and modified_on < before_ms);
    execute format('drop table %I', oldest.name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;
