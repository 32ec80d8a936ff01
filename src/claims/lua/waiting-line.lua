--- @include "./take-instance"
-- The line of a pool: tenants take turns, and the claims of one tenant are served in the order in which they came.
--   line:<pool>            zset  tenants by their turn
--   line:<pool>:<tenant>   zset  its waiting claims by when they joined
--   pool-waiting:<pool>    zset  all of them, for the planner     pool-waiting-cold:<pool>  those that take a cold start
--   waiting-pools          set   pools that have a line, or had one
--   tenant-waiting:<t>     zset  the waiting claims of a tenant in all pools
-- A claim may stand in the lines of several pools; its hash names them ('lines', separated by commas).

local function leaveOneLine(prefix, claimId, tenant, pool)
  local own = prefix .. 'line:' .. pool .. ':' .. tenant
  redis.call('ZREM', own, claimId)
  if redis.call('EXISTS', own) == 0 then redis.call('ZREM', prefix .. 'line:' .. pool, tenant) end
  redis.call('ZREM', prefix .. 'pool-waiting:' .. pool, claimId)
  redis.call('ZREM', prefix .. 'pool-waiting-cold:' .. pool, claimId)
end

local function leaveLines(prefix, claimId, tenant, lines)
  for pool in string.gmatch(lines, '[^,]+') do leaveOneLine(prefix, claimId, tenant, pool) end
  redis.call('ZREM', prefix .. 'tenant-waiting:' .. tenant, claimId)
end

-- A tenant that joins anew comes after everybody who has a turn already; `first` puts the claim before the tenant's others.
local function joinLine(prefix, now, pool, tenant, claimId, first, cold)
  local line = prefix .. 'line:' .. pool
  redis.call('ZADD', line .. ':' .. tenant, first and -now or now, claimId)
  redis.call('ZADD', line, 'NX', redis.call('INCR', prefix .. 'line-turns'), tenant)
  redis.call('ZADD', prefix .. 'pool-waiting:' .. pool, now, claimId)
  redis.call('SADD', prefix .. 'waiting-pools', pool)
  if cold then redis.call('ZADD', prefix .. 'pool-waiting-cold:' .. pool, now, claimId) end
end

-- How many are served before this claim, itself included, if nobody else comes: the others take turns with it.
local function placeInLine(prefix, pool, tenant, claimId)
  local line = prefix .. 'line:' .. pool
  local own = redis.call('ZRANK', line .. ':' .. tenant, claimId)
  if not own then return 0 end
  local place = own + 1
  for _, other in ipairs(redis.call('ZRANGE', line, 0, 999)) do
    if other ~= tenant then place = place + math.min(own + 1, redis.call('ZCARD', line .. ':' .. other)) end
  end
  return place
end

-- A claim waits in the memory of one API process, which alone knows its secrets: when that is gone, the claim can not be served.
local function isForsaken(prefix, api) return redis.call('EXISTS', prefix .. 'api:' .. api) == 0 end

-- Ends a waiting claim that nobody can serve any more; its idempotency key is free again.
local function forsake(prefix, now, claimId, tenant, lines, reason)
  local key = prefix .. 'claim:' .. claimId
  leaveLines(prefix, claimId, tenant, lines)
  redis.call('HSET', key, 'state', 'failed', 'endedAt', now, 'endReason', 'failed', 'endDetail', reason)
  redis.call('ZREM', prefix .. 'leases', claimId)
  redis.call('ZADD', prefix .. 'ended-claims', now, claimId)
  local told = redis.call('HMGET', key, 'idempotency', 'pool')
  if told[1] and told[1] ~= '' then redis.call('DEL', told[1]) end
  emit(prefix, now, 'claim.failed', 'claim', claimId, 'tenant', tenant, 'pool', told[2], 'reason', reason)
end

-- The first claim in turn that this pool has a warm instance for. Choosy claims are passed over: 10 of each of 100 tenants are looked at.
local function nextInLine(prefix, now, pool)
  local line = prefix .. 'line:' .. pool
  local seen = {}
  for _, tenant in ipairs(redis.call('ZRANGE', line, 0, 99)) do
    for _, claimId in ipairs(redis.call('ZRANGE', line .. ':' .. tenant, 0, 9)) do
      local claim = redis.call('HMGET', prefix .. 'claim:' .. claimId, 'state', 'api', 'lines', 'wantsGolden', 'wantsMin', 'wantsMaxAge', 'createdAt')
      if claim[1] ~= 'waiting' then
        leaveLines(prefix, claimId, tenant, claim[3] or pool)
      elseif isForsaken(prefix, claim[2]) then
        forsake(prefix, now, claimId, tenant, claim[3], 'the API process that it waited in ended')
      else
        local id = bestWarm(prefix, now, pool, { claim[4], claim[5], claim[6] }, seen)
        if id then return { claim = claimId, tenant = tenant, api = claim[2], lines = claim[3], since = tonumber(claim[7]), instance = id } end
      end
    end
  end
  return nil
end

-- The pool was deleted: who waits for it alone is told so, the others go on waiting for what else they asked for.
local function closeLine(prefix, now, pool)
  local line = prefix .. 'line:' .. pool
  for _, tenant in ipairs(redis.call('ZRANGE', line, 0, -1)) do
    for _, claimId in ipairs(redis.call('ZRANGE', line .. ':' .. tenant, 0, -1)) do
      local key = prefix .. 'claim:' .. claimId
      local claim = redis.call('HMGET', key, 'state', 'api', 'lines')
      local others = {}
      for other in string.gmatch(claim[3] or '', '[^,]+') do
        if other ~= pool then others[#others + 1] = other end
      end
      leaveOneLine(prefix, claimId, tenant, pool)
      if claim[1] == 'waiting' and #others > 0 then
        redis.call('HSET', key, 'lines', table.concat(others, ','), 'pool', others[1])
      elseif claim[1] == 'waiting' then
        forsake(prefix, now, claimId, tenant, claim[3], 'the pool ' .. pool .. ' was deleted')
        redis.call('PUBLISH', prefix .. 'served:' .. claim[2], cjson.encode({ 'ended', claimId }))
      end
    end
  end
end

-- Hands what is warm to those who wait, and tells the API processes they wait in. Answers how many were served.
local function serveLine(prefix, now, pool, reservationMs)
  local served = 0
  local line = prefix .. 'line:' .. pool
  if redis.call('EXISTS', prefix .. 'pool:' .. pool) == 0 then closeLine(prefix, now, pool) end
  while redis.call('EXISTS', line) == 1 do
    local head = nextInLine(prefix, now, pool)
    if not head then break end
    leaveLines(prefix, head.claim, head.tenant, head.lines)
    if redis.call('EXISTS', line .. ':' .. head.tenant) == 1 then
      redis.call('ZADD', line, redis.call('INCR', prefix .. 'line-turns'), head.tenant)
    end
    local reply = take(prefix, now, head.claim, pool, head.instance, reservationMs, head.since)
    redis.call('PUBLISH', prefix .. 'served:' .. head.api, cjson.encode(reply))
    served = served + 1
  end
  return served
end
