-- PostgreSQL's own compression takes 30 ms and more for a megabyte; lz4 takes two, where the server has it. What is stored already stays as it is.
do $$
begin
  if exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
    alter table element alter column attributes set compression lz4;
    alter table journal alter column attributes set compression lz4;
    alter table journal alter column undo set compression lz4;
    alter table operation alter column reply set compression lz4;
    alter table series_value alter column value set compression lz4;
  end if;
end $$;
