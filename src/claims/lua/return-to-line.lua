--- @include "./waiting-line"
--- @include "./release-instance"
--[[ Puts a reserved claim whose instance could not be bound back where it waited, before the others of its tenant.
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by when they are due
  ARGV[1] key prefix   ARGV[2] claim id   ARGV[3] how long it may wait still (ms)   ARGV[4] '1': a cold start will do   ARGV[5] why, in words
  Answers {state that was found or '', 1 when the instance is to be destroyed}: a state other than 'reserved' means that nothing was changed. ]]
local prefix, claimId, waitMs = ARGV[1], ARGV[2], tonumber(ARGV[3])
local claim = redis.call('HMGET', KEYS[1], 'state', 'tenant', 'pool', 'instance', 'lines')
if claim[1] ~= 'reserved' then return { claim[1] or '', 0 } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local tenant, pool = claim[2], claim[3]
local isReleased = releaseInstance(prefix, now, claimId, pool, claim[4])

redis.call('HDEL', KEYS[1], 'instance', 'node', 'golden', 'reservedAt', 'warmAt', 'idleMs')
redis.call('ZREM', prefix .. 'tenant-held:' .. tenant, claimId)
redis.call('ZREM', prefix .. 'pool-tenant-held:' .. pool .. ':' .. tenant, claimId)
redis.call('HSET', KEYS[1], 'state', 'waiting', 'pool', string.match(claim[5], '^[^,]+'), 'expiresAt', now + waitMs)
redis.call('ZADD', KEYS[2], now + waitMs + 2000, claimId)
redis.call('ZADD', prefix .. 'tenant-waiting:' .. tenant, now, claimId)
for line in string.gmatch(claim[5], '[^,]+') do
  joinLine(prefix, now, line, tenant, claimId, true, ARGV[4] == '1')
  redis.call('PUBLISH', prefix .. 'pool-changed', line)
end
emit(prefix, now, 'claim.waiting', 'claim', claimId, 'tenant', tenant, 'pool', pool, 'instance', claim[4], 'reason', ARGV[5])
return { 'reserved', isReleased and 1 or 0 }
