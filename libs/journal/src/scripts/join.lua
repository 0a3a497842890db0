-- Lists members of a group that are not listed yet, all or none.
-- KEYS: 1 members of the group (member -> its edge)
-- ARGV: 1 most members, 2 edge, 3 ms until the key expires, then the members
-- Returns {'joined', how many were new, how many there are now} or {'full', how many there are}.
local new = 0
for i = 4, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then new = new + 1 end
end
local count = redis.call('HLEN', KEYS[1])
if new > 0 and count + new > tonumber(ARGV[1]) then return {'full', tostring(count)} end
for i = 4, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], ARGV[2]) end
if #ARGV >= 4 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {'joined', tostring(new), tostring(count + new)}
