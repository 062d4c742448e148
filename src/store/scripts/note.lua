-- KEYS: journal. ARGV: ms until others invalidate for the owner, lines... Notes writes under way, or notes them anew.
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV do
  local reply = redis.pcall('ZADD', KEYS[1], deadline, ARGV[i])
  if type(reply) == 'table' and reply.err then
    if not string.find(reply.err, 'WRONGTYPE', 1, true) then return reply end
    redis.call('DEL', KEYS[1])
    redis.call('ZADD', KEYS[1], deadline, ARGV[i])
  end
end
return #ARGV - 1
