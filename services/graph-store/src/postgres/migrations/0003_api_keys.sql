-- Keys that programs present instead of logging in (SPACE: `usr_…` of an account, `org_…` of an organization). Found by their hash; kept
-- sealed as well, because their owners are shown them again. Never copied by the journal.

create table api_key (
  -- SHA-256 of the key.
  hash bytea primary key,
  tenant text not null collate "C",
  owner_kind text not null check (owner_kind in ('account', 'organization')),
  owner text not null collate "C",
  scope text not null,
  -- AES-256-GCM under a key derived from POLYEDGE_SECRET_KEY: nonce, tag, ciphertext.
  sealed bytea not null,
  created_on bigint not null,
  -- The order in which an owner got its keys.
  number bigint generated always as identity
);
create index api_key_owner on api_key (tenant, owner_kind, owner, number);
