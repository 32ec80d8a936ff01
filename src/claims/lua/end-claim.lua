--- @include "./waiting-line"
--- @include "./lease-due"
--- @include "./release-instance"
--[[ Ends a claim, if its state allows it, and takes its instance out of the tenant's hands in the same step (law 1).
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by when they are due      KEYS[3] ended  zset  claims by endedAt
  KEYS[4] warnings  zset  claims by when their end is announced
  ARGV[1] key prefix   ARGV[2] claim id   ARGV[3] new state   ARGV[4] allowed states before, each followed by a comma
  ARGV[5] '1': only when it is due   ARGV[6] endReason   ARGV[7] what happened, in words; '' when it is due: the script knows what was over
  ARGV[8] exit code or ''
  A claim that failed gives its idempotency key free: refusals do not stick to a key (law 3).
  Answers {state that was found or '', 1 when it was ended here, instance and node when the instance is to be destroyed}. ]]
local prefix, claimId, to = ARGV[1], ARGV[2], ARGV[3]
local claim = redis.call('HMGET', KEYS[1], 'state', 'pool', 'instance', 'node', 'idempotency', 'tenant', 'lines', 'api', 'reservedAt', 'expiresAt',
  'ackBy', 'idleMs', 'activeAt')
local before, pool, id, node, tenant = claim[1], claim[2], claim[3], claim[4], claim[6]
if not before then
  redis.call('ZREM', KEYS[2], claimId)
  return { '', 0 }
end
if not string.find(ARGV[4], before .. ',', 1, true) then return { before, 0 } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZSCORE', KEYS[2], claimId)
if ARGV[5] == '1' and due and tonumber(due) > now then return { before, 0 } end

local detail = ARGV[7]
if detail == '' then
  detail = 'its lease ended'
  if tonumber(claim[11]) and tonumber(claim[11]) <= now then
    detail = 'it was not acknowledged in time'
  elseif tonumber(claim[10]) > now then
    detail = 'it was idle for ' .. claim[12] .. ' ms'
  end
end
redis.call('HSET', KEYS[1], 'state', to, 'endedAt', now, 'endReason', ARGV[6], 'endDetail', detail, 'exitCode', ARGV[8])
redis.call('ZREM', KEYS[2], claimId)
redis.call('ZREM', KEYS[4], claimId)
redis.call('ZADD', KEYS[3], now, claimId)
local key = claim[5]
if to == 'failed' and key ~= '' then
  local known = redis.call('GET', key)
  if known and string.sub(known, -#claimId) == claimId then redis.call('DEL', key) end
end
if before == 'waiting' then
  leaveLines(prefix, claimId, tenant, claim[7])
  redis.call('PUBLISH', prefix .. 'served:' .. claim[8], cjson.encode({ 'ended', claimId }))
else
  redis.call('ZREM', prefix .. 'tenant-held:' .. tenant, claimId)
  redis.call('ZREM', prefix .. 'pool-tenant-held:' .. pool .. ':' .. tenant, claimId)
  if before ~= 'reserved' then redis.call('HINCRBY', prefix .. 'tenant-usage:' .. tenant, 'instanceMs', now - (tonumber(claim[9]) or now)) end
end
emit(prefix, now, 'claim.' .. to, 'claim', claimId, 'tenant', tenant, 'pool', pool, 'instance', id, 'node', node, 'reason', detail)

if not id then return { before, 1 } end
if not releaseInstance(prefix, now, claimId, pool, id) then return { before, 1 } end
return { before, 1, id, node }
