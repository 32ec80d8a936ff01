--[[ Gives a pool free, unless its lock ran out and another planner has it now.
  KEYS[1] lock  string  the owner's token      ARGV[1] token
  Answers 1 when it was ours. ]]
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
