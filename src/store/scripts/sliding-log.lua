-- Every request admitted is remembered for a window. Held: a sorted set by epoch ms, its members numbered in their ms.
algorithms['sliding-log'] = function(key, limit, window, _, now)
  local at = string.format('%.0f', now)
  local gone = redis.pcall('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - window))
  if type(gone) == 'table' then redis.call('DEL', key) end
  local function add(count)
    local number = redis.call('ZCOUNT', key, at, at)
    for i = number, number + count - 1 do redis.call('ZADD', key, at, string.format('%s:%d', at, i)) end
    if count > 0 then redis.call('PEXPIRE', key, window) end
  end
  add(redis.call('ZREMRANGEBYSCORE', key, '(' .. at, '+inf')) -- the clock was set back: these count from here on
  return limit - redis.call('ZCARD', key), function(taken)
    add(taken)
    local function leavesIn(index)
      local found = redis.call('ZRANGE', key, index, index, 'WITHSCORES')
      return found[2] and found[2] + window - now or 0
    end
    local over = redis.call('ZCARD', key) - limit
    return leavesIn(-1), over >= 0 and limit > 0 and leavesIn(over) or window
  end
end
