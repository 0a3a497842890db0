-- What the directory keeps that the journal must never copy: password hashes, logins, signing keys and revocations.
-- The accounts themselves are elements in the scope `system`.

create table account_secret (
  account text primary key collate "C",
  -- scrypt parameters and hash as one text, see accounts/password.ts.
  password text
);

-- One row per refresh token; those of one login share its `login`. `used_on` marks a token that was exchanged already.
create table refresh_token (
  hash bytea primary key,
  login text not null,
  account text not null collate "C",
  protocol text not null,
  app text not null,
  expires_on bigint not null,
  used_on bigint
);
create index refresh_token_login on refresh_token (login);
create index refresh_token_account on refresh_token (account);

create table signing_key (
  kid text primary key,
  created_on bigint not null,
  public_jwk json not null,
  -- AES-256-GCM under a key derived from POLYEDGE_SECRET_KEY: nonce, tag, ciphertext.
  private_sealed bytea not null
);

create table revocation (
  account text not null collate "C",
  login text not null default '',
  before bigint not null,
  primary key (account, login)
);

-- Failed logins, counted per account name and per address (hashed); a window each.
create table failed_login (
  subject bytea primary key,
  failures integer not null,
  window_ends_on bigint not null
);
