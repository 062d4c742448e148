-- KEYS: record. ARGV: record as text, ms. Writes it, and lets it last no shorter than it did: what is stored is found by it.
return redis.call('SET', KEYS[1], ARGV[1], 'PX', math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1])))
