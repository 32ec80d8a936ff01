--- @include "./lease-due"
--[[ Notes that a claim is in use, for a pool whose leases end when they are not.
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by when they are due
  ARGV[1] claim id
  What is over has ended, even where the sweep has not come by yet.
  Answers 1 when the claim lives. ]]
local claim = redis.call('HMGET', KEYS[1], 'state', 'expiresAt', 'ackBy', 'idleMs', 'activeAt')
if claim[1] ~= 'active' and claim[1] ~= 'bound' then return 0 end
if claim[4] and claim[4] ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if leaseDue(claim[2], claim[3], claim[4], claim[5]) <= now then return 0 end
  redis.call('HSET', KEYS[1], 'activeAt', now)
  redis.call('ZADD', KEYS[2], leaseDue(claim[2], claim[3], claim[4], now), ARGV[1])
end
return 1
