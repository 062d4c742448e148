-- Put before each script that moves the fence. KEYS[1] is the fence: u63 numbers, of which #0 is the clock, #1 the
-- floor, #2 the Redis process vouched for. Times are microseconds; a Lua number holds them exactly up to 2^53.
local LATEST = 9007199254740991

local function digits(number)
  return string.format('%.0f', number)
end

local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The number in a slot; 0 where it is missing or was damaged. What is no fence at all is removed.
local function get(slot)
  local reply = redis.pcall('BITFIELD_RO', KEYS[1], 'GET', 'u63', '#' .. slot)
  if reply.err then
    redis.call('DEL', KEYS[1])
    return 0
  end
  return reply[1] <= LATEST and reply[1] or 0
end

-- A Redis too full to take a number still takes a removal: then nothing at all is usable, which is safe.
local function set(slot, number)
  local reply = redis.pcall('BITFIELD', KEYS[1], 'SET', 'u63', '#' .. slot, digits(number))
  if reply.err then redis.call('DEL', KEYS[1]) end
  return not reply.err
end

-- The next time of the clock; raises the floor to it where the clock was lost or runs behind one already seen.
local function advance(seen)
  local clock = get(0)
  local lost = clock == 0 or clock < seen
  clock = math.max(clock + 1, micros(), lost and seen + 1 or 0)
  set(0, clock)
  if lost then set(1, clock) end
  return clock
end
