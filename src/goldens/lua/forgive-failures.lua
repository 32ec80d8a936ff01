--[[ Forgets the failed restores of a golden on a node.
  KEYS[1] failures  hash  node → JSON {count, lastAt, problem}
  ARGV[1] golden   ARGV[2] node   ARGV[3] pool whose clone proved itself   ARGV[4] the count that opens the breaker   ARGV[5] key prefix
  Answers how many were forgotten. ]]
--- @include "emit-event"

local known = redis.call('HGET', KEYS[1], ARGV[2])
if not known then return 0 end
redis.call('HDEL', KEYS[1], ARGV[2])
local count = cjson.decode(known).count
if count >= tonumber(ARGV[4]) then
  local time = redis.call('TIME')
  emit(ARGV[5], time[1] * 1000 + math.floor(time[2] / 1000), 'pool.breaker_closed', 'pool', ARGV[3], 'golden', ARGV[1], 'node', ARGV[2])
end
return count
