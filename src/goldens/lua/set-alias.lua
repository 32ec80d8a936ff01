--[[ Points an alias to a golden that is ready, unless it was moved since the caller read it.
  KEYS[1] golden   hash
  KEYS[2] aliases  hash  alias → number
  KEYS[3] moves    hash  alias → JSON, see record-move
  ARGV[1] alias   ARGV[2] number   ARGV[3] etag that must be there, '*' for any, '' for no condition
  ARGV[4] '1' when nobody asks for it by hand: a golden that was found bad is then refused; by hand it is given another chance
  ARGV[5] who   ARGV[6] how many moves are kept   ARGV[7] key prefix
  Answers {'set'}, {'changed', the etag that is there or ''}, {'bad'} or {'not_ready', state of the golden or ''}. ]]
--- @include "emit-event"
--- @include "./record-move"

local golden = redis.call('HMGET', KEYS[1], 'state', 'id', 'template', 'problem')
local before = redis.call('HGET', KEYS[2], ARGV[1])
if ARGV[3] ~= '' then
  local etag = before and before .. '-' .. readMoves(KEYS[3], ARGV[1]).revision or ''
  if etag == '' or (ARGV[3] ~= '*' and ARGV[3] ~= etag) then return { 'changed', etag } end
end
if golden[1] ~= 'ready' then return { 'not_ready', golden[1] or '' } end
if golden[4] and ARGV[4] == '1' then return { 'bad' } end
if golden[4] then -- what was counted and measured of it was the reason
  redis.call('HDEL', KEYS[1], 'problem')
  redis.call('DEL', ARGV[7] .. 'restore-failures:' .. golden[2], ARGV[7] .. 'golden-restores:' .. golden[2])
end
if before == ARGV[2] then return { 'set' } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
recordMove(KEYS[3], ARGV[1], { golden = tonumber(ARGV[2]), at = now, by = ARGV[5] ~= '' and ARGV[5] or nil }, tonumber(ARGV[6]))
redis.call('PUBLISH', ARGV[7] .. 'pool-changed', '*')
emit(ARGV[7], now, 'alias.moved', 'alias', ARGV[1], 'template', golden[3], 'golden', golden[2],
  'from', before and golden[3] .. '@' .. before, 'to', golden[2], 'actor', ARGV[5])
return { 'set' }
