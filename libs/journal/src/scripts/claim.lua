-- Makes a publisher the one writer of a partition.
-- KEYS: 1 meta of the partition
-- ARGV: 1 fence of the publisher
-- Returns {'claimed', generation, last, head} or {'fenced', fence of the newer publisher}. A partition that nobody wrote has generation 0.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if fence > tonumber(ARGV[1]) then return {'fenced', tostring(fence)} end
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
local meta = redis.call('HMGET', KEYS[1], 'generation', 'last', 'head')
return {'claimed', meta[1] or '0', meta[2] or '0', meta[3] or '0'}
