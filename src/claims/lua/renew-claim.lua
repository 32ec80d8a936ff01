--- @include "emit-event"
--- @include "./lease-due"
--[[ Lets the lease of a live claim end later, or earlier: so long from now.
  KEYS[1] claim  hash   KEYS[2] leases  zset  claims by when they are due   KEYS[3] warnings  zset  claims by when their end is announced
  ARGV[1] key prefix   ARGV[2] claim id   ARGV[3] lease (ms) or '' for the pool's default
  A lease that is over has ended, even where the sweep has not come by yet.
  Answers {'renewed', expiresAt}, {'ended', state}, {'lease_too_long', most (ms)}, {'waiting'} or {'absent'}. ]]
local claim = redis.call('HMGET', KEYS[1], 'state', 'expiresAt', 'pool', 'ackBy', 'idleMs', 'activeAt', 'tenant', 'instance')
if not claim[1] then return { 'absent' } end
if claim[1] == 'waiting' or claim[1] == 'reserved' then return { 'waiting' } end
if claim[1] ~= 'active' and claim[1] ~= 'bound' then return { 'ended', claim[1] } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if leaseDue(claim[2], claim[4], claim[5], claim[6]) <= now then return { 'ended', 'expired' } end

local pool = redis.call('HMGET', ARGV[1] .. 'pool:' .. claim[3], 'leaseDefaultMs', 'leaseMaxMs')
if not pool[1] then return { 'ended', 'lost' } end
local lease = tonumber(ARGV[3]) or tonumber(pool[1])
if lease > tonumber(pool[2]) then return { 'lease_too_long', pool[2] } end
local expiresAt = now + lease
redis.call('HSET', KEYS[1], 'expiresAt', expiresAt, 'activeAt', now)
redis.call('ZADD', KEYS[2], leaseDue(expiresAt, claim[4], claim[5], now), ARGV[2])
redis.call('ZADD', KEYS[3], warnAt(now, expiresAt), ARGV[2])
emit(ARGV[1], now, 'claim.renewed', 'claim', ARGV[2], 'tenant', claim[7], 'pool', claim[3], 'instance', claim[8])
return { 'renewed', tostring(expiresAt) }
