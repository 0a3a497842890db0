-- The version of the placements in which a tenant was placed: one that left a journal and came back has moved, although its journal is the same. For
-- this a tenant that came back to `main` keeps its row.
alter table placement add column since bigint not null default 0;
