--[[ Ends a claim, if its state allows it, and takes its instance out of the tenant's hands in the same step (law 1).
  KEYS[1] claim  hash      KEYS[2] leases  zset  claims by lease end      KEYS[3] ended  zset  claims by endedAt
  ARGV[1] claim id   ARGV[2] new state   ARGV[3] allowed states before, each followed by a comma
  ARGV[4] why it ended   ARGV[5] '1': only when its lease or reservation is over   ARGV[6] key prefix
  A claim that failed gives its idempotency key free: refusals do not stick to a key (law 3).
  Answers {state that was found or '', 1 when it was ended here, instance and node when the instance is to be destroyed}. ]]
local claim = redis.call('HMGET', KEYS[1], 'state', 'pool', 'instance', 'node', 'idempotency')
local before, pool, id, node = claim[1], claim[2], claim[3], claim[4]
if not before then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return { '', 0 }
end
if not string.find(ARGV[3], before .. ',', 1, true) then return { before, 0 } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if ARGV[5] == '1' and due and tonumber(due) > now then return { before, 0 } end

redis.call('HSET', KEYS[1], 'state', ARGV[2], 'endedAt', now, 'endReason', ARGV[4])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[1])
local key = claim[5]
if ARGV[2] == 'failed' and key ~= '' then
  local known = redis.call('GET', key)
  if known and string.sub(known, -#ARGV[1]) == ARGV[1] then redis.call('DEL', key) end
end

local instance = ARGV[6] .. 'instance:' .. id
local held = redis.call('HMGET', instance, 'state', 'claim')
if held[2] ~= ARGV[1] or (held[1] ~= 'claimed' and held[1] ~= 'suspended') then return { before, 1 } end
local states = ARGV[6] .. 'pool-instances:' .. pool .. ':'
redis.call('HSET', instance, 'state', 'releasing', 'stateAt', now)
redis.call('ZREM', states .. held[1], id)
redis.call('ZADD', states .. 'releasing', now, id)
redis.call('PUBLISH', ARGV[6] .. 'pool-changed', pool)
return { before, 1, id, node }
