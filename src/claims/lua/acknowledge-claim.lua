--- @include "emit-event"
--- @include "./lease-due"
--[[ Records that the holder knows of its claim: bound → active.
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by when they are due
  ARGV[1] key prefix   ARGV[2] claim id
  Answers the state that was found, or '' when there is no such claim; one that was not acknowledged in time is 'expired', even where the sweep
  has not come by yet. ]]
local claim = redis.call('HMGET', KEYS[1], 'state', 'expiresAt', 'idleMs', 'activeAt', 'ackBy', 'tenant', 'pool', 'instance')
if claim[1] ~= 'bound' then return claim[1] or '' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if leaseDue(claim[2], claim[5], claim[3], claim[4]) <= now then return 'expired' end
redis.call('HSET', KEYS[1], 'state', 'active', 'ackBy', '')
redis.call('ZADD', KEYS[2], leaseDue(claim[2], '', claim[3], claim[4]), ARGV[2])
emit(ARGV[1], now, 'claim.active', 'claim', ARGV[2], 'tenant', claim[6], 'pool', claim[7], 'instance', claim[8])
return 'bound'
