--[[ Ends a build of a golden: its files are restored from now on, or it is `failed`.
  KEYS[1] golden    hash
  KEYS[2] builds    hash  build:<class> → JSON, files:<node> → class
  KEYS[3] underWay  hash  node → golden whose build it makes
  KEYS[4] failures  hash  node → JSON, failed restores of the golden
  ARGV[1] golden   ARGV[2] class   ARGV[3] node   ARGV[4] operation   ARGV[5] 'ready' or 'failed'   ARGV[6] build (JSON without `at`)
  ARGV[7] code of the problem or ''   ARGV[8] key prefix
  Answers 'ended', 'other' when it is not this operation's any more, or 'golden_gone' when its golden is not ready: nothing is kept then. ]]
--- @include "emit-event"

local field = 'build:' .. ARGV[2]
local text = redis.call('HGET', KEYS[2], field)
local known = text and cjson.decode(text)
if known and (known.operation ~= ARGV[4] or known.state ~= 'building') then return 'other' end -- the node may make that one now
if redis.call('HGET', KEYS[3], ARGV[3]) == ARGV[1] then redis.call('HDEL', KEYS[3], ARGV[3]) end
if not known then return 'other' end -- all builds went with the golden
local golden = redis.call('HMGET', KEYS[1], 'state', 'template')
if golden[1] ~= 'ready' and golden[1] ~= 'retired' then
  redis.call('HDEL', KEYS[2], field)
  return 'golden_gone'
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[2], field, string.format('{"at":%d,%s', now, string.sub(ARGV[6], 2)))
if ARGV[5] == 'ready' then
  redis.call('HSET', KEYS[2], 'files:' .. ARGV[3], ARGV[2])
  redis.call('HDEL', KEYS[4], ARGV[3]) -- they were of other files
end
redis.call('PUBLISH', ARGV[8] .. 'pool-changed', '*')
emit(ARGV[8], now, 'golden.build_' .. ARGV[5], 'golden', ARGV[1], 'template', golden[2], 'node', ARGV[3], 'operation', ARGV[4], 'reason', ARGV[7])
return 'ended'
