--- @include "./waiting-line"
--[[ Hands what is warm in a pool to the claims that wait for it; called when a clone became warm.
  KEYS[1] waiting-pools  set
  ARGV[1] key prefix   ARGV[2] pool   ARGV[3] how long a reservation is kept (ms)
  Answers how many claims were served. ]]
local time = redis.call('TIME')
local served = serveLine(ARGV[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[2], tonumber(ARGV[3]))
if redis.call('EXISTS', ARGV[1] .. 'line:' .. ARGV[2]) == 0 then redis.call('SREM', KEYS[1], ARGV[2]) end
return served
