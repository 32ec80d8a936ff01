--[[ Records an operation that is queued.
  KEYS[1] operation   hash
  KEYS[2] operations  zset  operation id by createdAt
  KEYS[3] unfinished  set   operations that have not ended
  ARGV[1] id   ARGV[2] how long ended operations are listed (ms)   ARGV[3…] further fields of the hash: name, value, …
  Answers 1. ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'state', 'queued', 'createdAt', now, 'updatedAt', now)
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))
return 1
