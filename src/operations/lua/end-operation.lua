--[[ Ends an operation, once.
  KEYS[1] operation   hash
  KEYS[2] steps       list
  KEYS[3] unfinished  set   operations that have not ended
  ARGV[1] id   ARGV[2] 'succeeded', 'failed' or 'cancelled'   ARGV[3] how long it is kept (ms)   ARGV[4…] fields to set: name, value, …
  Answers 1, or 0 when it had ended before or does not exist. ]]
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'updatedAt', time[1] * 1000 + math.floor(time[2] / 1000))
if #ARGV > 3 then redis.call('HSET', KEYS[1], unpack(ARGV, 4)) end
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
