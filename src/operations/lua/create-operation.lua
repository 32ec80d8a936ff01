--[[ Records an operation that is queued; one that is there stays as it is.
  KEYS[1] operation   hash
  KEYS[2] operations  zset  operation id by createdAt
  KEYS[3] unfinished  set   operations that have not ended
  ARGV[1] id   ARGV[2] how long ended operations are listed (ms)   ARGV[3] key prefix
  ARGV[4…] further fields of the hash: name, value, …
  Answers 1, or 0 when it was there. ]]
--- @include "emit-event"

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'state', 'queued', 'createdAt', now, 'updatedAt', now)
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))
local told = redis.call('HMGET', KEYS[1], 'kind', 'target')
emit(ARGV[3], now, 'operation.queued', 'operation', ARGV[1], 'kind', told[1], 'target', told[2])
return 1
