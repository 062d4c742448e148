-- Windows lie end to end from the epoch; the one before counts by the share of it that the last window ms still cover:
-- estimate x window = previous x rest + current x window, whole numbers, so that nothing is rounded.
-- Held: number of the window, count in it, count in the one before.
algorithms['sliding-window'] = function(key, limit, window, _, now)
  local held = heldIn(key, 'window', 'current', 'previous')
  local number, rest = math.floor(now / window), window - now % window
  local heldNumber, current, previous = held[1] or number, held[2] or 0, held[3] or 0
  local isTurnedBack = heldNumber > number -- the clock was set back: what was counted counts from here on
  if heldNumber == number - 1 then current, previous = 0, current end
  if heldNumber < number - 1 then current, previous = 0, 0 end
  return math.floor(((limit - current) * window - previous * rest) / window), function(taken)
    current = current + taken
    if taken > 0 or isTurnedBack then
      redis.call('HSET', key, 'window', number, 'current', current, 'previous', previous)
      redis.call('PEXPIRE', key, window + rest)
    elseif redis.call('PTTL', key) == -1 then
      redis.call('PEXPIRE', key, window + rest)
    end
    local room = limit - 1 - current
    if room >= 0 and previous > 0 then return rest, rest - math.floor(room * window / previous) end
    if room >= 0 or current == 0 then return rest, rest end
    return rest, rest + window - math.floor(math.max(0, limit - 1) * window / current)
  end
end
