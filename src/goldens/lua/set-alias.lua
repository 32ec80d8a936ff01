--[[ Points an alias to a golden that is ready.
  KEYS[1] golden   hash
  KEYS[2] aliases  hash  alias → number
  ARGV[1] alias   ARGV[2] number   ARGV[3] key prefix
  Answers 'set', or the state of a golden that is not ready, '' when there is no such golden. ]]
--- @include "emit-event"

local golden = redis.call('HMGET', KEYS[1], 'state', 'id', 'template')
if golden[1] ~= 'ready' then return golden[1] or '' end
local before = redis.call('HGET', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[3] .. 'pool-changed', '*')
if before ~= ARGV[2] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  emit(ARGV[3], now, 'alias.moved', 'alias', ARGV[1], 'template', golden[3], 'golden', golden[2])
end
return 'set'
