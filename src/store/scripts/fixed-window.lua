-- A window begins with the first request admitted in it. Held: "count in it:epoch ms at which it ends".
algorithms['fixed-window'] = function(key, limit, window, _, now)
  local value = redis.pcall('GET', key)
  local used, ends
  if type(value) == 'string' then used, ends = string.match(value, '^(%d+):(%d+)$') end
  used, ends = tonumber(used) or 0, tonumber(ends) or 0
  if ends <= now or used == 0 then used, ends = 0, now + window end
  local isTurnedBack = ends > now + window -- the clock was set back: the window begins anew, with what was taken
  if isTurnedBack then ends = now + window end
  return limit - used, function(taken)
    if taken > 0 or isTurnedBack then
      redis.call('SET', key, string.format('%.0f:%.0f', used + taken, ends), 'PX', ends - now)
    end
    return ends - now, ends - now
  end
end
