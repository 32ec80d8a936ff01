--- @include "emit-event"
--[[ Announces the end of leases that are almost over, once each.
  KEYS[1] warnings  zset  claims by when their end is announced
  ARGV[1] key prefix   ARGV[2] how many at most
  Answers how many were looked at. ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ids = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  redis.call('ZREM', KEYS[1], id)
  local claim = redis.call('HMGET', ARGV[1] .. 'claim:' .. id, 'state', 'tenant', 'pool', 'instance', 'expiresAt')
  if claim[1] == 'active' or claim[1] == 'bound' then
    emit(ARGV[1], now, 'claim.expiring', 'claim', id, 'tenant', claim[2], 'pool', claim[3], 'instance', claim[4], 'expiresAt', claim[5])
  end
end
return #ids
