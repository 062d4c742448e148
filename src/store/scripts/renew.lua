-- KEYS: lease. ARGV: token, ms. Gives 1 where the lease was still the token's.
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
