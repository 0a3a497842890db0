-- Reads a partition's log and says how far what was read is everything.
-- KEYS: 1 meta of the partition, 2 log of the generation that the reader believes in use
-- ARGV: 1 that generation, 2 seq after which to read, 3 most entries
-- Returns {'read', last, head, since, prev of the first entry ('' for none), 'whole' or 'cut' where an entry was not the next one, the seqs of the
-- entries in one text, with spaces between them, then the body of each} or {'generation', the one in use ('0': nobody wrote the partition)}.
local meta = redis.call('HMGET', KEYS[1], 'generation', 'last', 'head', 'since')
if (meta[1] or '0') ~= ARGV[1] or not meta[1] then return {'generation', meta[1] or '0'} end
local answer = {'read', meta[2] or '0', meta[3] or '0', meta[4] or '0', '', 'whole', ''}
local seqs = {}
for at, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])) do
  local fields = entry[2]
  if at == 1 then
    answer[5] = fields[2]
  elseif fields[2] ~= seqs[at - 1] then
    answer[6] = 'cut'
    break
  end
  seqs[at] = string.sub(entry[1], 1, -3)
  answer[at + 7] = fields[4]
end
answer[7] = table.concat(seqs, ' ')
return answer
