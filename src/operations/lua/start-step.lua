--[[ Begins the next step of a running operation.
  KEYS[1] operation  hash
  KEYS[2] steps      list  JSON of each step
  ARGV[1] id   ARGV[2] name   ARGV[3] key prefix
  Answers the operation's state: the step was begun only if it is 'running'. nil when there is no such operation. ]]
--- @include "emit-event"
--- @include "./tell-step"

local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'running' then return state end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local step = { name = ARGV[2], state = 'running', startedAt = now }
redis.call('RPUSH', KEYS[2], cjson.encode(step))
redis.call('HSET', KEYS[1], 'updatedAt', now)
tell_step(ARGV[3], now, ARGV[1], KEYS[1], step)
return state
