--[[ Records that the instance of a reserved claim is bound: from here on the claim survives everything until its lease ends.
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by lease end
  ARGV[1] claim id   ARGV[2…] fields of the hash: name, value, …
  Answers the state that was found: 'reserved' means that it is active now; '' that there is no such claim. ]]
local before = redis.call('HMGET', KEYS[1], 'state', 'expiresAt')
if before[1] ~= 'reserved' then return before[1] or '' end
redis.call('HSET', KEYS[1], 'state', 'active', unpack(ARGV, 2))
redis.call('ZADD', KEYS[2], before[2], ARGV[1])
return 'reserved'
