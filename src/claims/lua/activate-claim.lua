--- @include "emit-event"
--- @include "./lease-due"
--[[ Records that the instance of a reserved claim is bound: from here on the claim survives everything until its lease ends.
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by when they are due      KEYS[3] warnings  zset  claims by when their end is announced
  ARGV[1] key prefix   ARGV[2] claim id   ARGV[3] how long its holder has to acknowledge it (ms), '' when it need not
  ARGV[4…] fields of the hash: name, value, …
  Answers {the state that was found, by when it is to be acknowledged (ms) or ''}: 'reserved' means that it is active now, or bound until
  acknowledged; 'gone' that it is reserved and its instance was lost meanwhile; '' that there is no such claim. ]]
local claim = redis.call('HMGET', KEYS[1], 'state', 'expiresAt', 'idleMs', 'tenant', 'pool', 'instance')
if claim[1] ~= 'reserved' then return { claim[1] or '', '' } end
local instance = redis.call('HMGET', ARGV[1] .. 'instance:' .. claim[6], 'state', 'claim')
if instance[1] ~= 'claimed' or instance[2] ~= ARGV[2] then return { 'gone', '' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = ARGV[3] == '' and 'active' or 'bound'
local ackBy = ARGV[3] == '' and '' or now + tonumber(ARGV[3])
local expiresAt = tonumber(claim[2])

redis.call('HSET', KEYS[1], 'state', state, 'ackBy', ackBy, 'activeAt', now, unpack(ARGV, 4))
redis.call('ZADD', KEYS[2], leaseDue(expiresAt, ackBy, claim[3], now), ARGV[2])
redis.call('ZADD', KEYS[3], warnAt(now, expiresAt), ARGV[2])
redis.call('HSETNX', ARGV[1] .. 'tenant-usage:' .. claim[4], 'since', now)
redis.call('HINCRBY', ARGV[1] .. 'tenant-usage:' .. claim[4], 'claims', 1)
redis.call('ZADD', ARGV[1] .. 'tenants', now, claim[4])
emit(ARGV[1], now, 'claim.' .. state, 'claim', ARGV[2], 'tenant', claim[4], 'pool', claim[5], 'instance', claim[6])
return { 'reserved', tostring(ackBy) }
