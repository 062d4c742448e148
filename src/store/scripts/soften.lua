-- KEYS: fence. ARGV: highest clock seen, channel, slots of the fence, tags as JSON, slots...
-- A soft purge: its time goes into the second row of the fence, behind the first. Gives the time, or 0 where the fence had
-- to be removed instead.
local clock, size = advance(tonumber(ARGV[1])), tonumber(ARGV[3])
for i = 5, #ARGV do set(size + ARGV[i], clock) end
set(size, clock)
redis.call('PUBLISH', ARGV[2], '{"clock":' .. digits(clock) .. ',"tags":' .. ARGV[4] .. ',"soft":true}')
return get(0)
