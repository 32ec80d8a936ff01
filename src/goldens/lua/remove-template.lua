--[[ Removes a template with its goldens and aliases, unless it has changed since the caller read it or is being captured.
  KEYS[1] template   hash
  KEYS[2] templates  zset
  KEYS[3] goldens    zset  number by number
  KEYS[4] captures   hash  template → id of the golden under way
  KEYS[5] aliases    hash  alias → number
  ARGV[1] name   ARGV[2] etag that must be there, '*' for any, '' for no condition
  ARGV[3] key prefix   ARGV[4] how long a deleted golden is kept (ms)
  Answers {'removed', id of each golden, …}, {'changed', the etag that is there or ''} or {'under_way', id of the golden}. ]]
--- @include "emit-event"

local etag = redis.call('HGET', KEYS[1], 'etag')
if ARGV[2] ~= '' and not (etag and (ARGV[2] == '*' or ARGV[2] == etag)) then return { 'changed', etag or '' } end
local capture = redis.call('HGET', KEYS[4], ARGV[1])
if capture then return { 'under_way', capture } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local reply = { 'removed' }
for _, number in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local id = ARGV[1] .. '@' .. number
  local golden = ARGV[3] .. 'golden:' .. id
  if redis.call('EXISTS', golden) == 1 then
    redis.call('HSET', golden, 'state', 'deleted')
    redis.call('PEXPIRE', golden, ARGV[4])
    table.insert(reply, id)
    emit(ARGV[3], now, 'golden.deleted', 'golden', id, 'template', ARGV[1], 'node', redis.call('HGET', golden, 'node'))
  end
  redis.call('DEL', ARGV[3] .. 'restore-failures:' .. id, ARGV[3] .. 'golden-builds:' .. id)
  redis.call('SREM', ARGV[3] .. 'retired-goldens', id)
end
redis.call('DEL', KEYS[1], KEYS[3], KEYS[5], ARGV[3] .. 'alias-moves:' .. ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[3] .. 'pool-changed', '*')
if etag then emit(ARGV[3], now, 'template.deleted', 'template', ARGV[1]) end
return reply
