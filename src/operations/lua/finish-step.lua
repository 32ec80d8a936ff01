--[[ Ends the newest step of an operation, which may have been cancelled meanwhile.
  KEYS[1] operation  hash
  KEYS[2] steps      list  JSON of each step
  ARGV[1] id   ARGV[2] name   ARGV[3] 'succeeded' or 'failed'   ARGV[4] how long it took (ms)   ARGV[5] key prefix
  Answers 1, or 0 when the newest step is another one (another run has begun the operation again). ]]
--- @include "emit-event"
--- @include "./tell-step"

local text = redis.call('LINDEX', KEYS[2], -1)
if not text then return 0 end
local step = cjson.decode(text)
if step.name ~= ARGV[2] or step.state ~= 'running' then return 0 end
step.state = ARGV[3]
step.tookMs = tonumber(ARGV[4])
redis.call('LSET', KEYS[2], -1, cjson.encode(step))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'updatedAt', now)
tell_step(ARGV[5], now, ARGV[1], KEYS[1], step)
return 1
