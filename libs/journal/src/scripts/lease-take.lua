-- Takes a free lease. KEYS: lease, fence. ARGV: owner, term in ms. Result: the fence, or nothing when it is held.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {} end
return { tostring(redis.call('INCR', KEYS[2])) }
