-- KEYS: sidecars alive. ARGV: id of this one, ms without a sign of life after which one counts as gone.
-- Gives: how many are alive, how many of them come before this one in the order of ids.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local added = redis.pcall('ZADD', KEYS[1], now, ARGV[1])
if type(added) == 'table' then
  if not string.find(added.err, 'WRONGTYPE', 1, true) then return added end
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], now, ARGV[1])
end
-- The clock was set back: what was heard since then was heard just now.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')) do
  redis.call('ZADD', KEYS[1], now, id)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
local before = 0
for _, id in ipairs(ids) do
  if id < ARGV[1] then before = before + 1 end
end
return { #ids, before }
