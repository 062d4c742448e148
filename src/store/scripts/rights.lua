-- KEYS: one that nothing is kept under. ARGV: a channel that nobody listens to.
-- Tries each command that the store uses; gives the names of those that the user may not run, or that Redis does not know.
local key, channel = KEYS[1], ARGV[1]
local tries = {
  { 'TIME' }, { 'PUBLISH', channel, '' }, { 'DEL', key },
  { 'SET', key, '1', 'PX', '1000' }, { 'GET', key }, { 'PTTL', key }, { 'PEXPIRE', key, '1000' }, { 'DEL', key },
  { 'BITFIELD', key, 'SET', 'u1', '0', '0' }, { 'BITFIELD_RO', key, 'GET', 'u1', '0' }, { 'DEL', key },
  { 'HSET', key, 'a', '1' }, { 'HMGET', key, 'a' }, { 'HGETALL', key }, { 'HDEL', key, 'a' }, { 'DEL', key },
  { 'ZADD', key, '1', 'a' }, { 'ZCARD', key }, { 'ZCOUNT', key, '0', '1' }, { 'ZRANGE', key, '0', '-1' },
  { 'ZRANGEBYSCORE', key, '0', '1' }, { 'ZREMRANGEBYSCORE', key, '0', '1' }, { 'ZREM', key, 'a' }, { 'DEL', key },
}
local refused, seen = {}, {}
for _, try in ipairs(tries) do
  local reply = redis.pcall(unpack(try))
  local error = type(reply) == 'table' and reply.err or ''
  local isRefused = string.find(error, 'permission') or string.find(error, 'user executing the script')
  if (isRefused or string.find(error, 'Unknown Redis command')) and not seen[try[1]] then
    refused[#refused + 1], seen[try[1]] = try[1], true
  end
end
return refused
