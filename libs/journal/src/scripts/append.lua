-- Appends a run of changes to the log of one partition, all or none, if the log ends where the publisher believes it does.
-- KEYS: 1 meta of the partition, 2 log of its generation
-- ARGV: 1 fence, 2 generation, 3 seq of the newest entry that the publisher knows (0: none), 4 head: every change up to here is in the log
--       after this run, 5 seq below which entries may be trimmed, then for each change: seq, body (empty: too large, read the journal)
-- Returns {'appended'} or {'fenced', fence} or {'differs', generation, last}.
local meta = redis.call('HMGET', KEYS[1], 'fence', 'generation', 'last')
local fence = tonumber(meta[1] or '0')
if fence > tonumber(ARGV[1]) then return {'fenced', meta[1]} end
local last = meta[3] or '0'
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local found = newest[1] and string.match(newest[1][1], '^(%d+)')
-- An empty log is right when it never had an entry, or when all it had was trimmed.
-- A fence below the publisher's own: Redis was wiped or went back since it was claimed.
if fence < tonumber(ARGV[1]) or meta[2] ~= ARGV[2] or last ~= ARGV[3] or (found and found ~= last) or (not found and last ~= '0' and redis.call('EXISTS', KEYS[2]) == 0) then
  return {'differs', meta[2] or '0', found or '0'}
end
for i = 6, #ARGV, 2 do
  redis.call('XADD', KEYS[2], ARGV[i] .. '-0', 'prev', last, 'change', ARGV[i + 1])
  last = ARGV[i]
end
redis.call('HSET', KEYS[1], 'last', last, 'head', ARGV[4])
if ARGV[5] ~= '0' then redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[5] .. '-0') end
return {'appended'}
