-- What the owner of leases does with them: prolongs them, saves positions, gives them back. Nothing happens under a fence that is not in force.
-- KEYS: 1 leases of the group (see take.lua)
-- ARGV: 1 'renew', 'save' or 'release', 2 term in ms, 3 ms until the key expires, then for each partition: partition, fence, position
-- Returns the partitions whose fence was not in force.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local fenced = {}
for i = 4, #ARGV, 3 do
  local p = ARGV[i]
  local lease = redis.call('HMGET', KEYS[1], p .. '.fence', p .. '.position')
  if lease[1] == ARGV[i + 1] then
    if tonumber(ARGV[i + 2]) > tonumber(lease[2] or '-1') then redis.call('HSET', KEYS[1], p .. '.position', ARGV[i + 2]) end
    if ARGV[1] == 'renew' then redis.call('HSET', KEYS[1], p .. '.until', string.format('%d', now + tonumber(ARGV[2]))) end
    if ARGV[1] == 'release' then redis.call('HSET', KEYS[1], p .. '.until', string.format('%d', now), p .. '.owner', '') end
  else
    table.insert(fenced, p)
  end
end
if #ARGV > 3 and redis.call('EXISTS', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return fenced
