--[[ Begins the next step of a running operation.
  KEYS[1] operation  hash
  KEYS[2] steps      list  JSON of each step
  ARGV[1] name
  Answers the operation's state: the step was begun only if it is 'running'. nil when there is no such operation. ]]
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'running' then return state end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('RPUSH', KEYS[2], cjson.encode({ name = ARGV[1], state = 'running', startedAt = now }))
redis.call('HSET', KEYS[1], 'updatedAt', now)
return state
