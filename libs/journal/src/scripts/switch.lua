-- Puts a filled generation of a partition's log in use and drops the one before.
-- KEYS: 1 meta of the partition, 2 log of the new generation, 3 log of the old one
-- ARGV: 1 fence, 2 new generation, 3 seq of its newest entry (0: none), 4 head: every change up to here is in the log,
--       5 since: changes up to here are not in the log and never were
-- Returns {'switched'} or {'fenced', fence}, or {'forgot'} when Redis was wiped or went back since the publisher claimed the partition: it
-- may have gone back to a time when this fence was known already, and then the new log does not end with what was filled.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if fence > tonumber(ARGV[1]) then return {'fenced', tostring(fence)} end
if fence < tonumber(ARGV[1]) then return {'forgot'} end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local found = newest[1] and string.match(newest[1][1], '^(%d+)') or '0'
if found ~= ARGV[3] then return {'forgot'} end
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'last', ARGV[3], 'head', ARGV[4], 'since', ARGV[5])
redis.call('UNLINK', KEYS[3])
return {'switched'}
