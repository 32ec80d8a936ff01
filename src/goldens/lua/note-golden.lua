--[[ Sets fields of a golden, whatever state it is in; one that is gone stays gone.
  KEYS[1] golden  hash
  ARGV[1…] fields: name, value, … ]]
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
