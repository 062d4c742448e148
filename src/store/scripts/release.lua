-- KEYS: lease. ARGV: token, channel, landing. Ends the lease if it is still the token's; tells who waits.
if redis.pcall('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return redis.call('PUBLISH', ARGV[2], ARGV[3])
