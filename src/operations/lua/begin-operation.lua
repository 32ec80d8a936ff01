--[[ Lets a worker begin an operation, or begin it again after an earlier run broke off: its steps are forgotten.
  KEYS[1] operation  hash
  KEYS[2] steps      list
  Answers the state afterwards: 'running', or the end that it had reached; nil when there is no such operation. ]]
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return state end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'state', 'running', 'updatedAt', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('DEL', KEYS[2])
return 'running'
