-- Takes leases of a group's partitions that are free or the taker's own. Taking increments the fence.
-- KEYS: 1 leases of the group (fields '<partition>.fence', '.owner', '.until', '.position')
-- ARGV: 1 taker, 2 term in ms, 3 ms for which a lease must have been free, 4 ms until the key expires,
--       then for each partition: partition, fence that the new one must be above
-- Returns for each partition: partition, 'taken', fence, position of the working copy ('' for none) or: partition, 'held', ms left, owner.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local answer = {}
for i = 5, #ARGV, 2 do
  local p = ARGV[i]
  local lease = redis.call('HMGET', KEYS[1], p .. '.fence', p .. '.owner', p .. '.until', p .. '.position')
  local ends = tonumber(lease[3] or '0')
  if lease[2] == ARGV[1] or ends + tonumber(ARGV[3]) <= now then
    local fence = math.max(tonumber(lease[1] or '0'), tonumber(ARGV[i + 1])) + 1
    redis.call('HSET', KEYS[1], p .. '.fence', string.format('%d', fence), p .. '.owner', ARGV[1],
      p .. '.until', string.format('%d', now + tonumber(ARGV[2])))
    table.insert(answer, p)
    table.insert(answer, 'taken')
    table.insert(answer, string.format('%d', fence))
    table.insert(answer, lease[4] or '')
  else
    table.insert(answer, p)
    table.insert(answer, 'held')
    table.insert(answer, string.format('%d', ends - now))
    table.insert(answer, lease[2] or '')
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return answer
