-- Writes a run of changes into the log of a generation that is not in use yet.
-- KEYS: 1 meta of the partition, 2 log of the new generation
-- ARGV: 1 fence, 2 seq of the newest entry in the new log; before the first, the seq up to which changes are left out, then for each change: seq, body
-- Returns {'filled'} or {'fenced', fence}, or {'forgot'} when Redis was wiped or went back since the publisher claimed the partition.
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
if fence > tonumber(ARGV[1]) then return {'fenced', tostring(fence)} end
if fence < tonumber(ARGV[1]) then return {'forgot'} end
local last = ARGV[2]
for i = 3, #ARGV, 2 do
  redis.call('XADD', KEYS[2], ARGV[i] .. '-0', 'prev', last, 'change', ARGV[i + 1])
  last = ARGV[i]
end
return {'filled'}
