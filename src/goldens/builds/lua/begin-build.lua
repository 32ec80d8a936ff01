--[[ Records that a node begins a build of a golden, unless it makes another one, the class has one, or one failed just now.
  KEYS[1] golden    hash
  KEYS[2] builds    hash  build:<class> → JSON, files:<node> → class
  KEYS[3] underWay  hash  node → golden whose build it makes
  ARGV[1] golden   ARGV[2] class   ARGV[3] node   ARGV[4] operation   ARGV[5] build (JSON without `at`)
  ARGV[6] class of the golden's own capture   ARGV[7] that as a build (JSON)   ARGV[8] its node
  ARGV[9] how long after a failure none is tried again (ms)   ARGV[10] and after one for want of room
  ARGV[11] why, in words   ARGV[12] key prefix
  Answers 'begun', 'not_ready' (the golden), 'busy' (the node), 'there' (the class has or gets one) or 'resting'. ]]
--- @include "emit-event"

if redis.call('HGET', KEYS[1], 'state') ~= 'ready' then return 'not_ready' end
if redis.call('HEXISTS', KEYS[3], ARGV[3]) == 1 then return 'busy' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('HSET', KEYS[2], 'build:' .. ARGV[6], ARGV[7], 'files:' .. ARGV[8], ARGV[6])
end

local field = 'build:' .. ARGV[2]
local text = redis.call('HGET', KEYS[2], field)
if text then
  local known = cjson.decode(text)
  if known.state == 'building' then return 'there' end
  local rest = tonumber(known.problem and known.problem.class == 'capacity' and ARGV[10] or ARGV[9])
  if known.state == 'failed' and now - known.at < rest then return 'resting' end
  if known.state == 'ready' then
    local fields = redis.call('HGETALL', KEYS[2])
    for i = 1, #fields, 2 do
      if string.sub(fields[i], 1, 6) == 'files:' and fields[i + 1] == ARGV[2] then return 'there' end
    end
  end
end

redis.call('HSET', KEYS[2], field, string.format('{"at":%d,%s', now, string.sub(ARGV[5], 2)))
redis.call('HSET', KEYS[3], ARGV[3], ARGV[1])
emit(ARGV[12], now, 'golden.incompatible', 'golden', ARGV[1], 'template', redis.call('HGET', KEYS[1], 'template'),
  'node', ARGV[3], 'operation', ARGV[4], 'reason', ARGV[11])
return 'begun'
