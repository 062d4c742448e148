-- KEYS: fence. ARGV: highest clock seen, number of the Redis process spoken to, of the one spoken to before (0: none), how
-- many slots the fence has for whoever asks.
-- Raises the floor where the fence was lost, damaged or is behind; where another process was vouched for last: it may have
-- lost invalidations, and a newer clock proves nothing; and where whoever asks comes from another process, which may have
-- taken invalidations after this one was vouched for. Gives the clock, 1 where another process was vouched for or spoken to,
-- and for how many ms at the least this one has been vouched for, by its own clock.
local MOST_SLOTS = 16777216
local seen, process, before, size = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock, floor, vouched, slots = get(0), get(1), get(2), get(3)
if slots > MOST_SLOTS then slots = 0 end -- damaged
if clock ~= 0 and slots ~= 0 and slots ~= size then
  return redis.error_reply('FENCE the fence in Redis has ' .. digits(slots) .. ' slots, this sidecar would use ' .. digits(size)
    .. ': store.fence.slots must be the same in all sidecars of one store.prefix')
end
local another = vouched ~= 0 and vouched ~= process or before ~= 0 and before ~= process
local sound = clock ~= 0 and clock >= seen and floor ~= 0 and floor <= clock and slots == size
if sound and vouched == process and not another then
  return { clock, 0, math.max(0, math.floor((micros() - floor) / 1000)) }
end
clock = math.max(clock, seen, micros()) + 1
local kept = set(0, clock) and set(1, clock) and set(2, process) and set(3, size)
if not kept then return redis.error_reply('OOM no room for the fence') end
return { clock, another and 1 or 0, 0 }
