-- Drops partitions of the journal, oldest first, as long as each is wholly older than `before_ms` and behind every consumer group.
-- In: rows of one partition, milliseconds since 1970. Runs with its owner's rights, since the serving role may not drop tables.
create function drop_old_journal(partition_rows bigint, before_ms bigint) returns integer language plpgsql security definer set search_path = public, pg_temp as $$
declare
  current bigint := (select seq / partition_rows from sequencer);
  needed_after bigint := (select min(position) from group_position);
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
revoke execute on function drop_old_journal from public;
