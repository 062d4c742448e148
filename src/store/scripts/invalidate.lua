-- KEYS: fence, journal. ARGV: highest clock seen, channel, journal line to remove, tags as JSON, slots...
-- Gives the time of the invalidation, or 0 where the fence had to be removed instead.
local clock = advance(tonumber(ARGV[1]))
for i = 5, #ARGV do set(ARGV[i], clock) end
redis.pcall('ZREM', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[2], '{"clock":' .. digits(clock) .. ',"tags":' .. ARGV[4] .. '}')
return get(0)
