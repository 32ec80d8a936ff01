--[[ Ends an operation, once.
  KEYS[1] operation  hash
  KEYS[2] steps      list
  ARGV[1] 'succeeded', 'failed' or 'cancelled'   ARGV[2] how long it is kept (ms)   ARGV[3…] fields to set: name, value, …
  Answers 1, or 0 when it had ended before or does not exist. ]]
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'updatedAt', time[1] * 1000 + math.floor(time[2] / 1000))
if #ARGV > 2 then redis.call('HSET', KEYS[1], unpack(ARGV, 3)) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
