--[[ Counts a failed restore of a golden.
  KEYS[1] failures  hash  count, lastAt, problem
  ARGV[1] problem (JSON)   ARGV[2] channel
  Answers the count. ]]
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'lastAt', time[1] * 1000 + math.floor(time[2] / 1000), 'problem', ARGV[1])
redis.call('PUBLISH', ARGV[2], '*')
return redis.call('HINCRBY', KEYS[1], 'count', 1)
