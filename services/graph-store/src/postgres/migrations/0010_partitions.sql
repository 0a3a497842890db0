-- Makes the partitions that will be needed soon and drops those of operations that nobody can repeat. A function of the owner, so that the
-- role that serves needs no right to change tables.
-- In: rows in one partition of the journal, partitions kept ahead, today as a number of days, days of operations made around it and kept.
create function keep_partitions(rows_each bigint, ahead integer, today integer, days_around integer, days_kept integer)
returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
  current bigint;
  name text;
begin
  select seq / rows_each into current from sequencer;
  for number in coalesce(current, 0) .. coalesce(current, 0) + ahead loop
    if to_regclass(format('journal_%s', number)) is null then
      execute format('create table journal_%s partition of journal for values from (%s) to (%s)',
        number, number * rows_each, (number + 1) * rows_each);
    end if;
  end loop;
  for day in today - days_around .. today + days_around loop
    if to_regclass(format('operation_%s', day)) is null then
      execute format('create table operation_%s partition of operation for values from (%s) to (%s)', day, day, day + 1);
    end if;
  end loop;
  for name in
    select child.relname from pg_inherits join pg_class child on child.oid = inhrelid where inhparent = 'operation'::regclass
  loop
    if substring(name from '^operation_(\d+)$')::integer < today - days_kept then
      execute format('drop table %I', name);
    end if;
  end loop;
end $$;
revoke execute on function keep_partitions from public;
