--- @include "emit-event"
-- Choosing a warm instance and giving it to a claim, for the scripts that do.

-- Whether a clone of that golden is what a claim asks for. wants: {golden or its number as '@7', minGolden, maxAgeMs}, each '' when it does not matter.
local function fits(prefix, now, golden, wants)
  if wants[1] ~= '' and golden ~= wants[1] and string.match(golden, '@%d+$') ~= wants[1] then return false end
  if wants[2] ~= '' and (tonumber(string.match(golden, '@(%d+)$')) or 0) < tonumber(wants[2]) then return false end
  if wants[3] == '' then return true end
  local madeAt = tonumber(redis.call('HGET', prefix .. 'golden:' .. golden, 'createdAt'))
  return madeAt ~= nil and now - madeAt <= tonumber(wants[3])
end

-- The usual case, at the price of its two ends: all that is warm is of one golden, and every node answers. Answers nil otherwise.
local function onlyChoice(prefix, now, pool)
  local warm = prefix .. 'pool-instances:' .. pool .. ':warm'
  local oldest, newest = redis.call('ZRANGE', warm, 0, 0)[1], redis.call('ZRANGE', warm, -1, -1)[1]
  if not oldest or redis.call('ZCOUNT', prefix .. 'nodes-unreachable', now, '+inf') > 0 then return nil end
  local golden = redis.call('HGET', prefix .. 'instance:' .. oldest, 'golden') or ''
  if newest ~= oldest and (redis.call('HGET', prefix .. 'instance:' .. newest, 'golden') or '') ~= golden then return nil end
  return { golden = golden, id = oldest }
end

-- The longest-warm instance of each golden. While a pool changes over to another golden, the clones that became warm last are of that golden: it
-- comes first. Looks at the 200 newest, and at the 200 oldest when those are all on nodes whose agent does not answer: to bind them would cost them.
-- Answers {{golden, id}, …} and one of the nodes that were passed over.
local function allChoices(prefix, now, pool)
  local warm = prefix .. 'pool-instances:' .. pool .. ':warm'
  local isAway, away = {}, nil
  for _, node in ipairs(redis.call('ZRANGE', prefix .. 'nodes-unreachable', now, '+inf', 'BYSCORE')) do isAway[node] = true end
  local choices, byGolden = {}, {}
  local function lookAt(newestFirst)
    for _, id in ipairs(newestFirst) do
      local instance = redis.call('HMGET', prefix .. 'instance:' .. id, 'golden', 'node')
      local golden = instance[1] or ''
      if isAway[instance[2]] then
        away = away or instance[2]
      else
        if not byGolden[golden] then
          byGolden[golden] = { golden = golden }
          choices[#choices + 1] = byGolden[golden]
        end
        byGolden[golden].id = id
      end
    end
  end
  lookAt(redis.call('ZRANGE', warm, 0, 199, 'REV'))
  if #choices == 0 then lookAt(redis.call('ZRANGE', warm, -200, -1, 'REV')) end
  return choices, away
end

-- What is best for a claim that wants this. `seen`: a table that keeps what was looked at, for as long as nothing is taken: many may ask.
-- Answers the id; or nil and the node that has one but does not answer; or nil.
local function bestWarm(prefix, now, pool, wants, seen)
  if seen.only == nil then seen.only = onlyChoice(prefix, now, pool) or false end
  if seen.only and fits(prefix, now, seen.only.golden, wants) then return seen.only.id end
  if not seen.choices then seen.choices, seen.away = allChoices(prefix, now, pool) end
  for _, choice in ipairs(seen.choices) do
    if fits(prefix, now, choice.golden, wants) then return choice.id end
  end
  return nil, seen.away
end

-- Gives a warm instance to a claim whose hash says tenant and leaseMs ('' for the pool's default). From here on no other claim can have it.
-- `waitedFrom`: when the claim joined a line, nil when it did not.
-- Answers what reserve-instance.ts reads: {'reserved', claim id, pool, createdAt, expiresAt, instance, node, golden, address, ports, role,
-- restore (ms)}; the last three only tell something of an instance that was made while the claim waited.
local function take(prefix, now, claimId, pool, id, reservationMs, waitedFrom)
  local claimKey = prefix .. 'claim:' .. claimId
  local claim = redis.call('HMGET', claimKey, 'tenant', 'leaseMs', 'createdAt', 'trace')
  local tenant = claim[1]
  local rules = redis.call('HMGET', prefix .. 'pool:' .. pool, 'leaseDefaultMs', 'leaseIdleMs')
  local leaseMs = tonumber(claim[2]) or tonumber(rules[1])
  local expiresAt = now + leaseMs
  local instance = redis.call('HMGET', prefix .. 'instance:' .. id, 'node', 'golden', 'address', 'ports', 'role', 'timingsMs', 'warmAt')

  redis.call('HSET', prefix .. 'instance:' .. id, 'state', 'claimed', 'stateAt', now, 'claim', claimId)
  redis.call('ZREM', prefix .. 'pool-instances:' .. pool .. ':warm', id)
  redis.call('ZADD', prefix .. 'pool-instances:' .. pool .. ':claimed', now, id)
  redis.call('HSET', claimKey, 'state', 'reserved', 'pool', pool, 'instance', id, 'node', instance[1], 'golden', instance[2] or '',
    'reservedAt', now, 'warmAt', instance[7] or '', 'expiresAt', expiresAt, 'idleMs', rules[2] or '')
  redis.call('ZADD', prefix .. 'leases', math.min(expiresAt, now + reservationMs), claimId)
  redis.call('ZADD', prefix .. 'tenant-held:' .. tenant, now, claimId)
  redis.call('ZADD', prefix .. 'pool-tenant-held:' .. pool .. ':' .. tenant, now, claimId)
  redis.call('PUBLISH', prefix .. 'pool-changed', pool)
  emit(prefix, now, 'claim.reserved', 'claim', claimId, 'tenant', tenant, 'pool', pool, 'instance', id, 'node', instance[1], 'golden', instance[2], 'trace', claim[4])

  local madeForIt = waitedFrom and (tonumber(instance[7]) or 0) >= waitedFrom
  local restoreMs = madeForIt and instance[6] and cjson.decode(instance[6]).total or 0
  return { 'reserved', claimId, pool, claim[3], tostring(expiresAt), id, instance[1], instance[2] or '', instance[3] or '', instance[4] or '',
    instance[5] or 'clone', madeForIt and tostring(restoreMs) or '' }
end
