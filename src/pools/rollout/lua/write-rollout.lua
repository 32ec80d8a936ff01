--[[ Writes the next step of a pool's rollout, unless another planner has written one since the caller read it.
  KEYS[1] rollout  hash
  ARGV[1] pool   ARGV[2] `to` that was read, '' for none   ARGV[3] state that was read, '' for none   ARGV[4] '1': forget what was there
  ARGV[5] template   ARGV[6] code or words of why, for the events   ARGV[7] types of the events, each followed by a comma
  ARGV[8] key prefix   ARGV[9…] fields of the hash: name, value, …
  Answers 1, or 0 when it was not as read. ]]
--- @include "emit-event"

local was = redis.call('HMGET', KEYS[1], 'to', 'state')
if (was[1] or '') ~= ARGV[2] or (was[2] or '') ~= ARGV[3] then return 0 end
if ARGV[4] == '1' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], unpack(ARGV, 9))

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is = redis.call('HMGET', KEYS[1], 'from', 'to')
for type in string.gmatch(ARGV[7], '([^,]+),') do
  emit(ARGV[8], now, type, 'pool', ARGV[1], 'template', ARGV[5], 'golden', is[2], 'from', is[1], 'to', is[2], 'reason', ARGV[6])
end
return 1
