-- Removes what an earlier attempt left in the log of a generation that is not in use yet.
-- KEYS: 1 meta of the partition, 2 log of the new generation
-- ARGV: 1 fence
-- Returns {'cleared'} or {'fenced', fence}, or {'forgot'} when Redis was wiped or went back since the publisher claimed the partition.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if fence > tonumber(ARGV[1]) then return {'fenced', tostring(fence)} end
if fence < tonumber(ARGV[1]) then return {'forgot'} end
redis.call('UNLINK', KEYS[2])
return {'cleared'}
