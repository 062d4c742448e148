-- KEYS: fence. ARGV: highest clock seen, number of the Redis process spoken to.
-- Raises the floor where the clock was lost or is behind, or where another process was vouched for last: it may have
-- lost invalidations, and a newer clock proves nothing. Gives the clock, and 1 where the floor was raised.
local seen = tonumber(ARGV[1])
local clock = get(0)
if clock ~= 0 and clock >= seen and get(2) == tonumber(ARGV[2]) then return { clock, 0 } end
clock = math.max(clock, seen, micros()) + 1
local kept = set(0, clock) and set(1, clock) and set(2, ARGV[2])
if not kept then return redis.error_reply('OOM no room for the fence') end
return { clock, 1 }
