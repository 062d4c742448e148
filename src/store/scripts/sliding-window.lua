-- KEYS: limit. ARGV: limit, window ms, how many ask. Windows lie end to end from the epoch; the one before counts by
-- the share of it that the last window ms still cover. Held: number of the window, count in it, count in the one before.
-- Gives: admitted (the first of those who ask), remaining, ms until the window ends, ms until one more is admitted.
-- All products are whole numbers below 2^53, so that nothing is rounded: estimate x window = previous x rest + current x window.
local limit, window, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local number, elapsed = math.floor(now / window), now % window
local held = redis.pcall('HMGET', KEYS[1], 'window', 'current', 'previous')
if held.err then
  redis.call('DEL', KEYS[1])
  held = { false, false, false }
end
local heldNumber = tonumber(held[1]) or 0
local current, previous = tonumber(held[2]) or 0, tonumber(held[3]) or 0
if heldNumber > number then number, elapsed = heldNumber, 0 end -- the clock was set back: never more than the limit
if heldNumber == number - 1 then current, previous = 0, current end
if heldNumber < number - 1 then current, previous = 0, 0 end
local free = limit * window - previous * (window - elapsed) - current * window
local admitted = math.max(0, math.min(asked, math.floor(free / window)))
current = current + admitted
if admitted > 0 then
  redis.call('HSET', KEYS[1], 'window', string.format('%.0f', number), 'current', current, 'previous', previous)
end
if admitted > 0 or redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], 2 * window - elapsed) end
local wait = 0
if admitted < asked then
  local room = limit - 1 - current
  if room >= 0 and previous > 0 then
    wait = math.ceil(window - room * window / previous) - elapsed
  elseif current > 0 then
    wait = window - elapsed + math.max(0, math.ceil(window - math.max(0, limit - 1) * window / current))
  else
    wait = window - elapsed
  end
end
return { admitted, math.max(0, math.floor(free / window) - admitted), window - elapsed, math.max(1, wait) }
