--[[ Counts a failed restore of a golden on a node.
  KEYS[1] failures  hash  node → JSON {count, lastAt, problem}
  ARGV[1] golden   ARGV[2] node   ARGV[3] pool of the clone or ''   ARGV[4] problem (JSON)   ARGV[5] its code
  ARGV[6] the count that opens the breaker   ARGV[7] how long failures are kept after the last (ms)   ARGV[8] key prefix
  Answers the count. ]]
--- @include "emit-event"

local known = redis.call('HGET', KEYS[1], ARGV[2])
local count = (known and cjson.decode(known).count or 0) + 1
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[2], string.format('{"count":%d,"lastAt":%d,"problem":%s}', count, now, ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[7])
local rollout = ARGV[8] .. 'rollout:' .. ARGV[3] -- of the pool, where it changes over to this golden
if ARGV[3] ~= '' and redis.call('HGET', rollout, 'to') == ARGV[1] then redis.call('HINCRBY', rollout, 'failed', 1) end
if count == tonumber(ARGV[6]) then
  emit(ARGV[8], now, 'pool.breaker_opened', 'pool', ARGV[3], 'golden', ARGV[1], 'node', ARGV[2], 'reason', ARGV[5])
end
return count
