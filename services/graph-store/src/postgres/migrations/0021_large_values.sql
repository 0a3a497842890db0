-- Without lz4 (see 0020) what is large is not compressed at all: PostgreSQL's own compression costs 20 ms of CPU for each copy of a megabyte, even
-- of one that it cannot make smaller. What is stored already stays as it is.
do $$
begin
  if not exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
    alter table element alter column attributes set storage external;
    alter table journal alter column attributes set storage external;
    alter table journal alter column undo set storage external;
    alter table operation alter column reply set storage external;
    alter table series_value alter column value set storage external;
  end if;
end $$;
