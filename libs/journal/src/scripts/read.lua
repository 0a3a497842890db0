-- Reads a partition's log and says how far what was read is everything.
-- KEYS: 1 meta of the partition, 2 log of the generation that the reader believes in use
-- ARGV: 1 that generation, 2 seq after which to read, 3 most entries
-- Returns {'read', last, head, since, then for each entry: seq, prev, body} or {'generation', the one in use ('0': nobody wrote the partition)}.
local meta = redis.call('HMGET', KEYS[1], 'generation', 'last', 'head', 'since')
if (meta[1] or '0') ~= ARGV[1] or not meta[1] then return {'generation', meta[1] or '0'} end
local answer = {'read', meta[2] or '0', meta[3] or '0', meta[4] or '0'}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])) do
  table.insert(answer, string.match(entry[1], '^(%d+)'))
  table.insert(answer, entry[2][2])
  table.insert(answer, entry[2][4])
end
return answer
