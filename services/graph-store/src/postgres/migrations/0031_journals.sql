-- Several journals: which tenants are in which of them. The directory, in the database of `main`, says where a tenant is; each journal's own
-- database says which tenants it does not serve, and every batch looks there, so a tenant is never written in two places.

-- Tenants that are not served here.
create table away (
  tenant text primary key collate "C",
  -- Where it is.
  journal text not null
);

-- Tenants that are in another journal than `main`. Counts in the database of `main` only, as the table below it.
create table placement (
  tenant text primary key collate "C",
  journal text not null collate "C"
);
create table placement_version (
  one boolean primary key default true check (one),
  version bigint not null
);
insert into placement_version values (true, 0);
