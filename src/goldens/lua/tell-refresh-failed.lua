--[[ Tells that a template was not refreshed when it should have been.
  ARGV[1] template   ARGV[2] code of the problem   ARGV[3] key prefix
  Answers 1. ]]
--- @include "emit-event"

local time = redis.call('TIME')
emit(ARGV[3], time[1] * 1000 + math.floor(time[2] / 1000), 'refresh.failed', 'template', ARGV[1], 'reason', ARGV[2])
return 1
