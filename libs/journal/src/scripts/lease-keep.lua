-- Renews or releases a lease of this owner. KEYS: lease. ARGV: renew or release, owner, term in ms. Result: 1 while it is the owner's, else 0.
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return { '0' } end
if ARGV[1] == 'release' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return { '1' }
