--[[ Lets a worker begin an operation, or begin it again after an earlier run broke off: its steps are forgotten.
  KEYS[1] operation  hash
  KEYS[2] steps      list
  ARGV[1] id   ARGV[2] key prefix
  Answers the state afterwards: 'running', or the end that it had reached; nil when there is no such operation. ]]
--- @include "emit-event"

local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return state end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'running', 'updatedAt', now)
redis.call('DEL', KEYS[2])
local told = redis.call('HMGET', KEYS[1], 'kind', 'target')
emit(ARGV[2], now, 'operation.running', 'operation', ARGV[1], 'kind', told[1], 'target', told[2])
return 'running'
