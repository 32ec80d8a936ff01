--[[ Records an instance before anything of it is made.
  KEYS[1] instance  hash  replaced when it is of an instance that ended
  KEYS[2] all       zset  live instances by createdAt
  KEYS[3] node      set   live instances of the node
  KEYS[4…] pool     zsets of the pool, one per live state but releasing, by stateAt; the one of the new state first. None: no pool
  ARGV[1] id   ARGV[2] state   ARGV[3] pool or ''   ARGV[4] most live instances of the pool, -1 for no limit   ARGV[5] key prefix
  ARGV[6…] further fields of the hash: name, value, …
  Answers 'created', 'exists' (a live one is kept as it is) or 'full'. ]]
--- @include "emit-event"

local state = redis.call('HGET', KEYS[1], 'state')
if state and state ~= 'destroyed' and state ~= 'failed' then return 'exists' end

local most = tonumber(ARGV[4])
if most >= 0 then
  local live = 0
  for i = 4, #KEYS do live = live + redis.call('ZCARD', KEYS[i]) end
  if live >= most then return 'full' end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'state', ARGV[2], 'pool', ARGV[3], 'createdAt', now, 'stateAt', now)
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
if ARGV[3] ~= '' then
  redis.call('ZADD', KEYS[4], now, ARGV[1])
  redis.call('PUBLISH', ARGV[5] .. 'pool-changed', ARGV[3])
end
local told = redis.call('HMGET', KEYS[1], 'template', 'golden', 'node', 'role')
emit(ARGV[5], now, 'instance.' .. ARGV[2],
  'instance', ARGV[1], 'pool', ARGV[3], 'template', told[1], 'golden', told[2], 'node', told[3], 'role', told[4])
return 'created'
