-- The newest change when the group began. What was written before does not count as its lag: a group that starts at the oldest change may begin
-- further behind than a group may fall.
alter table consumer_group add column began_at bigint not null default 0;
