-- GCRA, as a bucket that fills by one with each request admitted and leaks `limit` in a window; `burst` is its size.
-- Held: its level in 1/window of a request, a whole number, and the epoch ms at which it stood there.
algorithms['token-bucket'] = function(key, limit, window, burst, now)
  local held = heldIn(key, 'level', 'at')
  local level, at = held[1] or 0, held[2] or now
  local isTurnedBack = at > now -- the clock was set back: nothing has leaked, and it leaks from here on
  if not isTurnedBack then level = math.max(0, level - (now - at) * limit) end
  local isOverfull = level > burst * window -- `burst` was lowered, or somebody else wrote it
  if isOverfull then level = burst * window end
  return math.floor((burst * window - level) / window), function(taken)
    level = level + taken * window
    local empty = limit == 0 and window or math.ceil(level / limit)
    if taken > 0 or isTurnedBack or isOverfull then
      redis.call('HSET', key, 'level', level, 'at', now)
      redis.call('PEXPIRE', key, math.max(1, empty))
    end
    return empty, limit == 0 and window or math.ceil(math.max(0, level - (burst - 1) * window) / limit)
  end
end
