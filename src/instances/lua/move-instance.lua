--[[ Moves an instance to another state, if it is in one that allows it, and keeps the indexes.
  KEYS[1] instance  hash
  KEYS[2] all       zset  live instances by createdAt
  ARGV[1] id   ARGV[2] new state   ARGV[3] allowed states before, each followed by a comma   ARGV[4] key prefix
  ARGV[5] '1' when the new state is an end   ARGV[6] how long the hash of an ended one is kept (ms)
  ARGV[7…] fields to set: name, value, …
  Indexes are reached through the prefix, because their names depend on what the hash says (one slot by design).
  Answers {1 when moved, the state that was found or ''}. ]]
--- @include "emit-event"

local record = redis.call('HMGET', KEYS[1], 'state', 'pool', 'node', 'warmAt')
local before, pool, node = record[1], record[2], record[3]
if not before then return { 0, '' } end
if not string.find(ARGV[3], before .. ',', 1, true) then return { 0, before } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'stateAt', now)
if #ARGV > 6 then redis.call('HSET', KEYS[1], unpack(ARGV, 7)) end
if ARGV[2] == 'warm' and not record[4] then redis.call('HSET', KEYS[1], 'warmAt', now) end

local states = ARGV[4] .. 'pool-instances:' .. pool .. ':'
if pool ~= '' then redis.call('ZREM', states .. before, ARGV[1]) end
if ARGV[5] == '1' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('SREM', ARGV[4] .. 'node-instances:' .. node, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
elseif pool ~= '' then
  redis.call('ZADD', states .. ARGV[2], now, ARGV[1])
end
if pool ~= '' then redis.call('PUBLISH', ARGV[4] .. 'pool-changed', pool) end
local told = redis.call('HMGET', KEYS[1], 'template', 'golden', 'claim', 'problem', 'role')
emit(ARGV[4], now, 'instance.' .. ARGV[2], 'instance', ARGV[1], 'pool', pool, 'template', told[1], 'golden', told[2], 'node', node,
  'role', told[5], 'claim', told[3], 'reason', told[4] and cjson.decode(told[4]).code)
return { 1, before }
