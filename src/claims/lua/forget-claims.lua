--[[ Removes claims that ended long ago.
  KEYS[1] ended  zset  claims by endedAt      KEYS[2] claims  zset
  ARGV[1] how long an ended claim is kept (ms)   ARGV[2] how many at most   ARGV[3] key prefix
  Answers how many were removed. ]]
local time = redis.call('TIME')
local before = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[1])
local ids = redis.call('ZRANGE', KEYS[1], '-inf', before, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local claim = ARGV[3] .. 'claim:' .. id
  local tenant = redis.call('HGET', claim, 'tenant')
  if tenant then redis.call('ZREM', ARGV[3] .. 'tenant-claims:' .. tenant, id) end
  redis.call('DEL', claim)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[1], id)
end
return #ids
