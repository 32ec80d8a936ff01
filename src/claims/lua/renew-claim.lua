--[[ Lets the lease of a live claim end later, or earlier: so long from now.
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by lease end
  ARGV[1] claim id   ARGV[2] lease (ms) or '' for the pool's default   ARGV[3] prefix of the pool hashes
  A lease that is over has ended, even where the sweep has not come by yet.
  Answers {'renewed', expiresAt}, {'ended', state}, {'lease_too_long', most (ms)} or {'absent'}. ]]
local claim = redis.call('HMGET', KEYS[1], 'state', 'expiresAt', 'pool')
if not claim[1] then return { 'absent' } end
if claim[1] ~= 'active' and claim[1] ~= 'bound' then return { 'ended', claim[1] } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(claim[2]) <= now then return { 'ended', 'expired' } end

local pool = redis.call('HMGET', ARGV[3] .. claim[3], 'leaseDefaultMs', 'leaseMaxMs')
if not pool[1] then return { 'ended', 'lost' } end
local lease = tonumber(ARGV[2]) or tonumber(pool[1])
if lease > tonumber(pool[2]) then return { 'lease_too_long', pool[2] } end
redis.call('HSET', KEYS[1], 'expiresAt', now + lease)
redis.call('ZADD', KEYS[2], now + lease, ARGV[1])
return { 'renewed', tostring(now + lease) }
