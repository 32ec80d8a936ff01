--[[ Ends an operation, once.
  KEYS[1] operation   hash
  KEYS[2] steps       list
  KEYS[3] unfinished  set   operations that have not ended
  ARGV[1] id   ARGV[2] 'succeeded', 'failed' or 'cancelled'   ARGV[3] how long it is kept (ms)   ARGV[4] key prefix
  ARGV[5…] fields to set: name, value, …
  Answers 1, or 0 when it had ended before or does not exist. ]]
--- @include "emit-event"

local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'updatedAt', now)
if #ARGV > 4 then redis.call('HSET', KEYS[1], unpack(ARGV, 5)) end
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local told = redis.call('HMGET', KEYS[1], 'kind', 'target', 'problem')
emit(ARGV[4], now, 'operation.' .. ARGV[2],
  'operation', ARGV[1], 'kind', told[1], 'target', told[2], 'reason', told[3] and cjson.decode(told[3]).code)
return 1
