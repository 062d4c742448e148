-- KEYS: fence, journal. ARGV: highest clock seen, channel, how many lines at the most.
-- Invalidates for writers that did not come back before their deadline. A line is id|slot,slot|tags as JSON; what
-- cannot be read as one counts as a write of everything. Gives how many lines were swept.
local now = math.floor(micros() / 1000)
local lines = redis.pcall('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[3])
if lines.err or #lines == 0 then return 0 end
local clock = advance(tonumber(ARGV[1]))
for _, line in ipairs(lines) do
  local slots, tags = string.match(line, '^[^|]*|([%d,]+)|(.+)$')
  if not slots then slots, tags = '1', 'null' end
  for slot in string.gmatch(slots, '%d+') do set(slot, clock) end
  redis.call('PUBLISH', ARGV[2], '{"clock":' .. digits(clock) .. ',"tags":' .. tags .. '}')
  redis.call('ZREM', KEYS[2], line)
end
return #lines
