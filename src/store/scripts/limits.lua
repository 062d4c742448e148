-- An algorithm gives how many more it would admit now, below 1 for none, and a function that takes so many, writes, and
-- gives ms until the window has passed, and ms until one more is admitted where none is. All times are Redis' own.
local algorithms = {}

-- Fields of a hash, as numbers. What somebody else wrote there reads as nothing.
local function heldIn(key, ...)
  local held = redis.pcall('HMGET', key, ...)
  if held.err then
    redis.call('DEL', key)
    return {}
  end
  for i, value in ipairs({ ... }) do held[i] = held[i] and tonumber(held[i]) or nil end
  return held
end
