-- Takes an instance out of the hands of a claim: from here on nobody can have it (law 1). Answers false when the claim does not hold it any more.
local function releaseInstance(prefix, now, claimId, pool, id)
  local instance = prefix .. 'instance:' .. id
  local held = redis.call('HMGET', instance, 'state', 'claim')
  if held[2] ~= claimId or (held[1] ~= 'claimed' and held[1] ~= 'suspended') then return false end
  local states = prefix .. 'pool-instances:' .. pool .. ':'
  redis.call('HSET', instance, 'state', 'releasing', 'stateAt', now)
  redis.call('ZREM', states .. held[1], id)
  redis.call('ZADD', states .. 'releasing', now, id)
  redis.call('PUBLISH', prefix .. 'pool-changed', pool)
  return true
end
