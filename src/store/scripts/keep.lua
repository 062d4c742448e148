-- KEYS: record, variant, index, the variant that a key without names has. ARGV: record as text, its names as they stand
-- in that text, value, ms, the variant's id, its label, what the keys of variants begin with, how many are kept.
-- Stores a variant and notes it in the index: a hash of 'names' and, by id, 'µs when it was stored' 'ms when it ends' 'label'.
-- Whatever is over goes, the oldest of too many, and all where the names were others: under those nothing could be found
-- until they came back. What stands under our keys and is not ours is removed.
local names, ms, id, most = ARGV[2], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[8])
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]

local index = redis.pcall('HGETALL', KEYS[3])
if index.err then
  redis.call('DEL', KEYS[3])
  index = {}
end
local record = redis.pcall('GET', KEYS[1])
local isKnown = type(record) == 'string' and string.find(record, names, 1, true) ~= nil
-- A record that is gone leaves the index to say under which names there may be variants.
local isSame = isKnown or record == false
for i = 1, #index, 2 do
  if index[i] == 'names' and index[i + 1] ~= names then isSame = false end
end

local function evict(which)
  redis.call('HDEL', KEYS[3], which)
  redis.call('DEL', ARGV[7] .. which)
end

local others = {}
for i = 1, #index, 2 do
  local which, entry = index[i], index[i + 1]
  if which ~= 'names' and which ~= id then
    local written, ends = string.match(entry, '^(%d+) (%d+) ')
    if isSame and written and tonumber(ends) * 1000 > micros then
      others[#others + 1] = { which, tonumber(written) }
    else
      evict(which)
    end
  end
end
table.sort(others, function(a, b) return a[2] < b[2] end)
for i = 1, #others - most + 1 do evict(others[i][1]) end
if not isSame then redis.call('DEL', KEYS[4]) end

-- Record and index last as long as the variant that lasts longest.
local function lasting(key)
  return math.max(ms, isSame and redis.call('PTTL', key) or 0)
end

local ends = math.floor(micros / 1000) + ms
redis.call('SET', KEYS[2], ARGV[3], 'PX', ms)
redis.call('HSET', KEYS[3], 'names', names, id, string.format('%.0f %.0f %s', micros, ends, ARGV[6]))
redis.call('PEXPIRE', KEYS[3], lasting(KEYS[3]))
return redis.call('SET', KEYS[1], ARGV[1], 'PX', lasting(KEYS[1]))
