--[[ Writes events as a transition would.
  ARGV[1] key prefix   ARGV[2] how many   ARGV[3] type   ARGV[4…] fields: name, value, … ]]
--- @include "emit-event"

local time = redis.call('TIME')
for _ = 1, ARGV[2] do
  emit(ARGV[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[3], unpack(ARGV, 4))
end
