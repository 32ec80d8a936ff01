--- @include "./waiting-line"
--[[ Hands the best warm instance of the first pool that has one to a tenant; or lets the claim wait in line; or finds the claim that the same
  idempotency key made. One atomic step: idempotency, quotas, line, instance, lease, event.
  KEYS[1] claim   hash    written here                               KEYS[2] claims   zset  by createdAt
  KEYS[3] tenant  zset    its claims by createdAt                    KEYS[4] leases   zset  claims by when they are due
  KEYS[5] idempotency  string '<fingerprint> <claim id>'; absent when the request has no key
  ARGV[1] key prefix   ARGV[2] claim id   ARGV[3] tenant   ARGV[4] labels (JSON)   ARGV[5] lease (ms) or ''
  ARGV[6] fingerprint of the body   ARGV[7] how long the idempotency key is kept (ms)   ARGV[8] how long the reservation is kept (ms)
  ARGV[9] how long it may wait (ms), 0: not at all   ARGV[10] the API process it waits in
  ARGV[11] golden ('search@7' or '@7'), ARGV[12] least number of the golden, ARGV[13] greatest age of the golden (ms): each '' when it does not matter
  ARGV[14] '1': a cold start will do   ARGV[15] '1': it tries again and comes first   ARGV[16] id of the API key   ARGV[17] trace id or ''
  ARGV[18…] pools, in the order in which they are tried
  Keys of pools, instances and tenants are reached through the prefix, because their names depend on what is found (one slot by design).
  Answers {'existing', claim id}, {'reused'}, {'pool_not_found', pool}, {'lease_too_long', most (ms), pool},
  {'quota', which, limit, pool or '', in how many ms it may fit or ''}, {'empty'}, {'unreachable', node that has
  one but does not answer}, {'waiting', createdAt, pool}, or {'reserved', …} as in take-instance.lua. ]]
local prefix, claimId, tenant = ARGV[1], ARGV[2], ARGV[3]
local waitMs, reservationMs = tonumber(ARGV[9]), tonumber(ARGV[8])
local wants = { ARGV[11], ARGV[12], ARGV[13] }
local isAgain = ARGV[15] == '1'
local pools = { unpack(ARGV, 18) }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local known = KEYS[5] and redis.call('GET', KEYS[5])
if known then
  local fingerprint, id = string.match(known, '^(%S+) (%S+)$')
  local other = redis.call('HMGET', prefix .. 'claim:' .. id, 'state', 'api', 'tenant', 'lines')
  if other[1] == 'waiting' and isForsaken(prefix, other[2]) then
    forsake(prefix, now, id, other[3], other[4], 'the API process that it waited in ended')
  elseif other[1] then
    if fingerprint ~= ARGV[6] then return { 'reused' } end
    if other[1] == 'waiting' then redis.call('HSET', prefix .. 'claim:' .. id, 'known', 1) end -- whoever asks may be told its id: see leave-line.lua
    return { 'existing', id }
  end
end

local rules = {}
for i, pool in ipairs(pools) do
  local found = redis.call('HMGET', prefix .. 'pool:' .. pool, 'leaseMaxMs', 'perTenantHeld', 'perTenantPerMinute', 'perTenantWaiting')
  if not found[1] then return { 'pool_not_found', pool } end
  if ARGV[5] ~= '' and tonumber(ARGV[5]) > tonumber(found[1]) then return { 'lease_too_long', found[1], pool } end
  rules[i] = { held = tonumber(found[2]), perMinute = tonumber(found[3]), waiting = tonumber(found[4]) }
end
if not isAgain then redis.call('HINCRBY', prefix .. 'pool-arrivals:' .. pools[1], math.floor(now / 60000), 1) end

-- A waiting claim will hold an instance, so it counts. What was asked for once counts once against what may be asked for in a minute.
local limits = redis.call('HMGET', prefix .. 'tenant:' .. tenant, 'held', 'claimsPerMinute', 'waiting')
local waiting = redis.call('ZCARD', prefix .. 'tenant-waiting:' .. tenant)
if limits[1] and redis.call('ZCARD', prefix .. 'tenant-held:' .. tenant) + waiting >= tonumber(limits[1]) then return { 'quota', 'held', limits[1], '', '' } end
if limits[2] and not isAgain and redis.call('ZCOUNT', KEYS[3], now - 59999, '+inf') >= tonumber(limits[2]) then
  local first = redis.call('ZRANGE', KEYS[3], now - 59999, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return { 'quota', 'claimsPerMinute', limits[2], '', tostring(math.max(1, (tonumber(first[2]) or now) + 60000 - now)) }
end

local allowed, refusal = {}, nil
for i, pool in ipairs(pools) do
  local rule = rules[i]
  local own = prefix .. 'line:' .. pool .. ':' .. tenant
  local recent = prefix .. 'pool-tenant-recent:' .. pool .. ':' .. tenant
  if rule.held and redis.call('ZCARD', prefix .. 'pool-tenant-held:' .. pool .. ':' .. tenant) + redis.call('ZCARD', own) >= rule.held then
    refusal = refusal or { 'quota', 'held', tostring(rule.held), pool, '' }
  elseif rule.perMinute and not isAgain and redis.call('ZCOUNT', recent, now - 59999, '+inf') >= rule.perMinute then
    local first = redis.call('ZRANGE', recent, now - 59999, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    refusal = refusal or { 'quota', 'claimsPerMinute', tostring(rule.perMinute), pool, tostring(math.max(1, (tonumber(first[2]) or now) + 60000 - now)) }
  else
    allowed[#allowed + 1] = { pool = pool, rule = rule, recent = recent }
  end
end
if #allowed == 0 then return refusal end

local function record(pool)
  redis.call('HSET', KEYS[1], 'id', claimId, 'pool', pool, 'tenant', tenant, 'labels', ARGV[4], 'leaseMs', ARGV[5], 'createdAt', now,
    'expiresAt', now, 'idempotency', KEYS[5] or '', 'key', ARGV[16], 'trace', ARGV[17])
  redis.call('ZADD', KEYS[2], now, claimId)
  redis.call('ZADD', KEYS[3], now, claimId)
  if KEYS[5] then redis.call('SET', KEYS[5], ARGV[6] .. ' ' .. claimId, 'PX', ARGV[7]) end
  for _, each in ipairs(allowed) do
    if each.rule.perMinute then
      redis.call('ZREMRANGEBYSCORE', each.recent, '-inf', now - 60000)
      redis.call('ZADD', each.recent, now, claimId)
      redis.call('PEXPIRE', each.recent, 61000)
    end
  end
end

local away
for _, each in ipairs(allowed) do
  -- Whoever waits comes first; what is left then is wanted by nobody in line. Where nothing is warm, the line need not be looked through.
  local isAnyWarm = redis.call('EXISTS', prefix .. 'pool-instances:' .. each.pool .. ':warm') == 1
  if isAnyWarm and redis.call('EXISTS', prefix .. 'line:' .. each.pool) == 1 then serveLine(prefix, now, each.pool, reservationMs) end
  local id, node = bestWarm(prefix, now, each.pool, wants, {})
  away = away or node
  if id then
    record(each.pool)
    return take(prefix, now, claimId, each.pool, id, reservationMs)
  end
end
if waitMs == 0 and away then return { 'unreachable', away } end
if waitMs == 0 then return { 'empty' } end

if limits[3] and waiting >= tonumber(limits[3]) then return { 'quota', 'waiting', limits[3], '', '' } end
local lines = {}
for _, each in ipairs(allowed) do
  local own = prefix .. 'line:' .. each.pool .. ':' .. tenant
  if each.rule.waiting and redis.call('ZCARD', own) >= each.rule.waiting then
    refusal = refusal or { 'quota', 'waiting', tostring(each.rule.waiting), each.pool, '' }
  else
    lines[#lines + 1] = each.pool
  end
end
if #lines == 0 then return refusal end

record(lines[1])
redis.call('HSET', KEYS[1], 'state', 'waiting', 'expiresAt', now + waitMs, 'api', ARGV[10], 'lines', table.concat(lines, ','), 'wantsGolden', wants[1], 'wantsMin', wants[2],
  'wantsMaxAge', wants[3])
redis.call('ZADD', KEYS[4], now + waitMs + 2000, claimId)
redis.call('ZADD', prefix .. 'tenant-waiting:' .. tenant, now, claimId)
for _, pool in ipairs(lines) do
  joinLine(prefix, now, pool, tenant, claimId, isAgain, ARGV[14] == '1')
  redis.call('PUBLISH', prefix .. 'pool-changed', pool)
end
emit(prefix, now, 'claim.waiting', 'claim', claimId, 'tenant', tenant, 'pool', lines[1])
return { 'waiting', tostring(now), lines[1] }
