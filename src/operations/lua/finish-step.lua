--[[ Ends the newest step of an operation, which may have been cancelled meanwhile.
  KEYS[1] operation  hash
  KEYS[2] steps      list  JSON of each step
  ARGV[1] name   ARGV[2] 'succeeded' or 'failed'   ARGV[3] how long it took (ms)
  Answers 1, or 0 when the newest step is another one (another run has begun the operation again). ]]
local text = redis.call('LINDEX', KEYS[2], -1)
if not text then return 0 end
local step = cjson.decode(text)
if step.name ~= ARGV[1] or step.state ~= 'running' then return 0 end
step.state = ARGV[2]
step.tookMs = tonumber(ARGV[3])
redis.call('LSET', KEYS[2], -1, cjson.encode(step))
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'updatedAt', time[1] * 1000 + math.floor(time[2] / 1000))
return 1
