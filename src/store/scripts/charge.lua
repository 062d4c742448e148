-- KEYS: quotas, no two the same. ARGV: how many ask about all of them, then for each: algorithm, limit, window ms, burst,
-- 1 where it refuses or 0 where it only counts, how many to take on top. Who is refused by one quota takes nothing of the others.
-- Gives: admitted (the first of those who ask), then for each quota: how many it was charged for them, how many more it would
-- admit, how many of these were taken on top, ms until the window has passed, ms until it admits one more.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local admitted = tonumber(ARGV[1])
local quotas = {}
for i, key in ipairs(KEYS) do
  local at = 6 * i - 4
  local numbers = { tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]) }
  local free, take = algorithms[ARGV[at]](key, numbers[1], numbers[2], numbers[3], now)
  free = math.max(0, free)
  if ARGV[at + 4] == '1' then admitted = math.min(admitted, free) end
  quotas[i] = { free, take, tonumber(ARGV[at + 5]) }
end
local reply = { admitted }
for _, quota in ipairs(quotas) do
  local charged = math.min(admitted, quota[1])
  local extra = charged > 0 and math.min(quota[3], quota[1] - charged) or 0
  local passed, wait = quota[2](charged + extra)
  for _, number in ipairs({ charged, quota[1] - charged, extra, passed, math.max(1, wait) }) do
    reply[#reply + 1] = number
  end
end
return reply
