--[[ Moves a golden to another state, if it is in one that allows it.
  KEYS[1] golden    hash
  KEYS[2] goldens   zset  number by number
  KEYS[3] captures  hash  template → id of the golden under way
  KEYS[4] aliases   hash  alias → number
  KEYS[5] failures  hash  failed restores of the golden
  KEYS[6] retired   set   goldens to be deleted once nothing runs on them
  ARGV[1] id   ARGV[2] new state   ARGV[3] allowed states before, each followed by a comma
  ARGV[4] '1' when its capture has not ended   ARGV[5] how long the hash of a deleted one is kept (ms)   ARGV[6] key prefix
  ARGV[7…] fields to set: name, value, …
  Answers {'moved' or 'kept', the state that was found or ''}, or {'aliased', alias} when one to be retired or deleted has an alias. ]]
--- @include "emit-event"

local record = redis.call('HMGET', KEYS[1], 'state', 'template', 'number')
local before, template, number = record[1], record[2], record[3]
if not before then return { 'kept', '' } end
if not string.find(ARGV[3], before .. ',', 1, true) then return { 'kept', before } end

if ARGV[2] == 'retired' or ARGV[2] == 'deleted' then
  local aliases = redis.call('HGETALL', KEYS[4])
  for i = 2, #aliases, 2 do
    if aliases[i] == number then return { 'aliased', aliases[i - 1] } end
  end
end
if ARGV[2] == 'retired' then redis.call('SADD', KEYS[6], ARGV[1]) end
if ARGV[2] == 'deleted' then
  redis.call('SREM', KEYS[6], ARGV[1])
  redis.call('ZREM', KEYS[2], number)
  redis.call('DEL', KEYS[5], ARGV[6] .. 'golden-builds:' .. ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
if #ARGV > 6 then redis.call('HSET', KEYS[1], unpack(ARGV, 7)) end
if ARGV[4] ~= '1' and redis.call('HGET', KEYS[3], template) == ARGV[1] then redis.call('HDEL', KEYS[3], template) end
redis.call('PUBLISH', ARGV[6] .. 'pool-changed', '*')
if ARGV[2] ~= before then -- a capture that begins again is capturing still
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local told = redis.call('HMGET', KEYS[1], 'node', 'operation', 'problem', 'droppedFor')
  local problem = told[3] and cjson.decode(told[3]).code
  local reason = told[4] or problem
  if ARGV[2] == 'failed' then reason = problem end -- one that was to be dropped may be condemned before
  emit(ARGV[6], now, 'golden.' .. ARGV[2],
    'golden', ARGV[1], 'template', template, 'node', told[1], 'operation', told[2], 'reason', reason)
end
return { 'moved', before }
