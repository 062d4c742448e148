-- KEYS: record. ARGV: record as text, ms. Writes it, and lets it last no shorter than it did: variants are found by it.
return redis.call('SET', KEYS[1], ARGV[1], 'PX', math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1])))
