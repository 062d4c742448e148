-- KEYS: limit. ARGV: limit, window ms, how many ask. A window begins with the first admitted request in it.
-- Gives: admitted (the first of those who ask), remaining, ms until the window ends (twice: for admitted and refused).
local limit, window, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local value = redis.pcall('GET', KEYS[1])
local used = type(value) == 'string' and tonumber(value) or 0
local left = redis.call('PTTL', KEYS[1])
if left < 0 or left > window or used <= 0 then used, left = 0, window end
local admitted = math.max(0, math.min(asked, limit - used))
if admitted > 0 then redis.call('SET', KEYS[1], string.format('%.0f', used + admitted), 'PX', math.max(1, left)) end
return { admitted, math.max(0, limit - used - admitted), left, left }
