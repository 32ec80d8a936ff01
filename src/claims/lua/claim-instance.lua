--[[ Hands the longest-warm instance of a pool to a tenant; or finds the claim that the same idempotency key made.
  KEYS[1] pool    hash    leaseDefaultMs, leaseMaxMs
  KEYS[2] warm    zset    instances by the time they became warm     KEYS[3] claimed  zset  by the time they were claimed
  KEYS[4] claim   hash    written here                               KEYS[5] claims   zset  by createdAt
  KEYS[6] tenant  zset    its claims by createdAt                    KEYS[7] leases   zset  claims by lease end
  KEYS[8] idempotency  string '<fingerprint> <claim id>'; absent when the request has no key
  ARGV[1] claim id   ARGV[2] pool   ARGV[3] tenant   ARGV[4] labels (JSON)   ARGV[5] lease (ms) or ''
  ARGV[6] fingerprint of the body   ARGV[7] how long the idempotency key is kept (ms)
  ARGV[8] how long the reservation is kept (ms)   ARGV[9] key prefix
  Answers {'existing', claim id}, {'reused'}, {'pool_not_found'}, {'lease_too_long', most (ms)}, {'empty'}, or
  {'reserved', createdAt, expiresAt, instance, node, golden or '', address or '', ports (JSON) or ''}. ]]
local known = KEYS[8] and redis.call('GET', KEYS[8])
if known then
  local fingerprint, id = string.match(known, '^(%S+) (%S+)$')
  if redis.call('EXISTS', ARGV[9] .. 'claim:' .. id) == 1 then
    if fingerprint ~= ARGV[6] then return { 'reused' } end
    return { 'existing', id }
  end
end

local pool = redis.call('HMGET', KEYS[1], 'leaseDefaultMs', 'leaseMaxMs')
if not pool[1] then return { 'pool_not_found' } end
local lease = tonumber(ARGV[5]) or tonumber(pool[1])
if lease > tonumber(pool[2]) then return { 'lease_too_long', pool[2] } end

local prefix = ARGV[9] .. 'instance:'
local id = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
if not id then return { 'empty' } end
-- While the pool changes to another golden, the clone that became warm last is of that golden, and the longest-warm is not.
local latest = redis.call('ZRANGE', KEYS[2], -1, -1)[1]
if latest ~= id and redis.call('HGET', prefix .. latest, 'golden') ~= redis.call('HGET', prefix .. id, 'golden') then id = latest end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expiresAt = now + lease
local instance = redis.call('HMGET', prefix .. id, 'node', 'golden', 'address', 'ports')
local golden = instance[2] or ''

redis.call('HSET', prefix .. id, 'state', 'claimed', 'stateAt', now, 'claim', ARGV[1])
redis.call('ZREM', KEYS[2], id)
redis.call('ZADD', KEYS[3], now, id)
redis.call('HSET', KEYS[4], 'id', ARGV[1], 'state', 'reserved', 'pool', ARGV[2], 'tenant', ARGV[3], 'labels', ARGV[4],
  'instance', id, 'node', instance[1], 'golden', golden, 'createdAt', now, 'expiresAt', expiresAt, 'idempotency', KEYS[8] or '')
redis.call('ZADD', KEYS[5], now, ARGV[1])
redis.call('ZADD', KEYS[6], now, ARGV[1])
redis.call('ZADD', KEYS[7], math.min(expiresAt, now + tonumber(ARGV[8])), ARGV[1])
if KEYS[8] then redis.call('SET', KEYS[8], ARGV[6] .. ' ' .. ARGV[1], 'PX', ARGV[7]) end
redis.call('PUBLISH', ARGV[9] .. 'pool-changed', ARGV[2])
return { 'reserved', tostring(now), tostring(expiresAt), id, instance[1], golden, instance[3] or '', instance[4] or '' }
